import { errorDefinition, type rest } from '@sightline/contracts';
import { AppError, isAppError } from '@sightline/kernel';
import { HttpException } from '@nestjs/common';

type ProblemCode = Parameters<typeof errorDefinition>[0];

/** A value that does not fit, by field. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** A request that does not fit its schema, with what is wrong by field. */
export class InvalidRequest extends AppError {
  readonly fields: readonly FieldError[];

  constructor(fields: readonly FieldError[]) {
    super('REQUEST.INVALID', 'The request does not fit its schema.');
    this.fields = fields;
  }
}

const codeOfStatus: Readonly<Record<number, ProblemCode>> = {
  400: 'REQUEST.INVALID',
  401: 'ACCESS.UNAUTHENTICATED',
  403: 'ACCESS.FORBIDDEN',
  404: 'REQUEST.NOT_FOUND',
  406: 'REQUEST.INVALID',
  413: 'REQUEST.TOO_LARGE',
  415: 'REQUEST.UNSUPPORTED_MEDIA_TYPE',
  429: 'REQUEST.RATE_LIMITED',
  503: 'SERVICE.UNAVAILABLE',
};

/**
 * The RFC 9457 problem document of whatever was thrown. An error that has no public code is an internal one:
 * nothing of its text reaches the client.
 */
export function problemOf(error: unknown): rest.Problem {
  if (isAppError(error)) return problemOfAppError(error);
  const status = statusOf(error);
  const code = (status === undefined ? undefined : codeOfStatus[status]) ?? 'SERVICE.INTERNAL';
  const definition = errorDefinition(code);
  return {
    ...head(definition),
    // The framework's sentences ("Body is too large", "Cannot GET /x") say nothing of the inside.
    detail: code === 'SERVICE.INTERNAL' ? definition.title : sentence(error, definition.title),
    retryable: code === 'SERVICE.UNAVAILABLE',
  };
}

function problemOfAppError(error: AppError): rest.Problem {
  const definition = errorDefinition(error.code);
  const hidden = definition.code !== error.code;
  return {
    ...head(definition),
    detail: hidden ? definition.title : error.message,
    retryable: error.retryable,
    ...(error instanceof InvalidRequest ? { errors: [...error.fields] } : {}),
  };
}

function head(
  definition: ReturnType<typeof errorDefinition>,
): Pick<rest.Problem, 'type' | 'title' | 'status' | 'code'> {
  const { code, title, status } = definition;
  return { type: `urn:sightline:error:${code}`, title, status, code };
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  // Fastify's own errors: a body that is too large or of a type without a parser.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return undefined;
}

function sentence(error: unknown, fallback: string): string {
  return error instanceof Error && error.message !== '' ? error.message : fallback;
}
