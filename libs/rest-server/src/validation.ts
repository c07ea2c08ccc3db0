import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { z } from 'zod';

import { InvalidRequest } from './problem.js';

/** Fields that one answer names at most. */
const NAMED_FIELDS = 50;

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

const pathOf = ({ path = [] }: Issue): string =>
  path.map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.');

const invalid = (issues: readonly Issue[], name?: string): InvalidRequest =>
  new InvalidRequest(
    issues.slice(0, NAMED_FIELDS).map((issue) => ({
      path: [name ?? [], pathOf(issue) || []].flat().join('.'),
      message: issue.message,
    })),
  );

/** Validates every parameter that has a schema; answers with each thing that does not fit. */
export function validationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({ exceptionFactory: (issues) => invalid(issues) });
}

/**
 * Parses a part of a request that no parameter of a route is, such as a field of a form.
 *
 * @param name the part's, for what does not fit
 * @throws AppError `REQUEST.INVALID`
 */
export function parsePart<Schema extends z.ZodType>(schema: Schema, value: unknown, name: string): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(parsed.error.issues, name);
  return parsed.data;
}
