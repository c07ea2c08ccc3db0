/** A stable error code: `AREA.REASON`, upper case. It is part of the public interface. */
export type ErrorCode = `${Uppercase<string>}.${Uppercase<string>}`;

export interface AppErrorOptions {
  /** Whether the same call may succeed later without a change by the caller. Default: false. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
  /** Facts for the caller. Never an image, a template or a name. */
  readonly details?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** The one error type that crosses a module's border: a stable code, a sentence, and whether to retry. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string | number | boolean | readonly string[]>>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** Narrows to an {@link AppError}, and to one code when that is given. */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** What an unknown thrown value says of itself, in one line. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
