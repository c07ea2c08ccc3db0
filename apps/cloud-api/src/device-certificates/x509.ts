// @peculiar/x509 finds its parts by decorators, for which this must be there before it is.
import 'reflect-metadata';
