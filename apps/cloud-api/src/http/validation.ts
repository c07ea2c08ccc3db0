import { StandardSchemaValidationPipe } from '@nestjs/common';

import { InvalidRequest } from './problem.js';

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
      new InvalidRequest(issues.slice(0, 50).map((issue) => ({ path: pathOf(issue), message: issue.message }))),
  });
}
