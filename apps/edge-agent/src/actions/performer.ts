import { AppError, type ErrorCode } from '@sightline/kernel';

import type { ActionEvent } from './action-event.js';

/** One attempt of an action. */
export interface Attempt {
  /** The event as it is now: asked for as late as possible, since it says how old it is. */
  readonly event: () => ActionEvent;
  /** Until then it must be on its way, ms: what cannot be handed over in time is given up. */
  readonly startWithinMs: number;
  /** The agent ends: what still runs is broken off. */
  readonly signal: AbortSignal;
}

/** Does one rule's action. */
export interface Performer {
  /**
   * Tries once.
   *
   * @throws AppError `ACTION.…`: retryable only when it is certain that nothing was received
   */
  perform(attempt: Attempt): Promise<void>;
  close(): Promise<void>;
}

/** Nothing has left the box: another attempt cannot make it twice. */
export function notReceived(code: ErrorCode, message: string, cause?: unknown): AppError {
  return new AppError(code, message, { retryable: true, cause });
}
