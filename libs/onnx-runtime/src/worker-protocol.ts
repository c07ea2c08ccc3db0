import { AppError, errorMessage, type ErrorCode } from '@sightline/kernel';
import type { Transferable } from 'node:worker_threads';

/**
 * What a worker offers: functions of one structured-cloneable request. An answer that is wrapped by
 * {@link transferring} moves its buffers instead of copying them.
 */
export type WorkerCalls<Calls> = { readonly [Name in keyof Calls]: (request: never) => unknown };

export type RequestOf<Call> = Call extends (request: infer Request) => unknown ? Request : never;
export type ResponseOf<Call> = Call extends (request: never) => infer Response ? Unwrapped<Awaited<Response>> : never;
type Unwrapped<Response> = Response extends Transferring<infer Value> ? Value : Response;

/** An answer together with the buffers in it that may be moved to the caller. */
export class Transferring<Value> {
  constructor(
    readonly value: Value,
    readonly buffers: readonly Transferable[],
  ) {}
}

/** Marks `buffers`, which `value` holds and the worker no longer needs, as moved with the answer. */
export function transferring<Value>(value: Value, buffers: readonly Transferable[]): Transferring<Value> {
  return new Transferring(value, buffers);
}

/** An error as it crosses a thread: class instances do not survive structured cloning. */
export interface ErrorMessage {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly details: AppError['details'];
  readonly stack: string | undefined;
}

export interface CallMessage {
  readonly call: number;
  readonly name: string;
  readonly request: unknown;
}

export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'unusable'; readonly error: ErrorMessage }
  | { readonly kind: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly call: number; readonly error: ErrorMessage };

/** Anything but an AppError is a fault of the worker's own code: `WORKER.FAILED`. */
export function toErrorMessage(error: unknown): ErrorMessage {
  const stack = error instanceof Error ? error.stack : undefined;
  if (error instanceof AppError) {
    const { code, message, retryable, details } = error;
    return { code, message, retryable, details, stack };
  }
  return { code: 'WORKER.FAILED', message: errorMessage(error), retryable: false, details: {}, stack };
}

export function toAppError({ code, message, retryable, details, stack }: ErrorMessage): AppError {
  const error = new AppError(code, message, { retryable, details });
  if (stack !== undefined) error.stack = stack;
  return error;
}
