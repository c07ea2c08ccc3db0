import { StandardSchemaValidationPipe } from '@nestjs/common';

import { InvalidRequest } from './problem.js';

/** Fields that one answer names at most. */
const NAMED_FIELDS = 50;

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

const pathOf = ({ path = [] }: Issue): string =>
  path.map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.');

/** Validates every parameter that has a schema; answers with each thing that does not fit. */
export function validationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues) =>
      new InvalidRequest(
        issues.slice(0, NAMED_FIELDS).map((issue) => ({ path: pathOf(issue), message: issue.message })),
      ),
  });
}
