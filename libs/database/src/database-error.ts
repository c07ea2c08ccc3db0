import { AppError, isAppError } from '@sightline/kernel';
import { DrizzleQueryError } from 'drizzle-orm';

interface PostgresFields {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly table?: unknown;
}

// PostgreSQL 15 documentation, appendix A.
const UNIQUE_VIOLATION = '23505';
/** serialization_failure, deadlock_detected, lock_not_available: the same transaction may succeed when run again. */
const conflicts = new Set(['40001', '40P01', '55P03']);
/**
 * Connection exceptions (08), insufficient resources (53: disk, memory, connections), operator intervention (57: the
 * server goes down or starts, a query was cancelled), system errors (58), a stand-by after a fail-over (25006).
 */
const unavailable = /^(?:08|53|57|58|25006)/;
const sqlState = /^[0-9A-Z]{5}$/;
/** What pg says, without any code, of a connection that broke or was not to be had in time. */
const brokenConnection =
  /connection (?:terminated|ended|timeout|error)|timeout exceeded|client was closed|not queryable|after calling end/i;

/**
 * Makes an AppError of whatever a query or a connection threw, without the values that Drizzle and PostgreSQL put
 * into theirs ("params: …", "Key (name)=(…) already exists"): those may be names and templates.
 *
 * - `DATABASE.UNAVAILABLE`, retryable: the server cannot be reached or is going down
 * - `DATABASE.CONFLICT`, retryable: a deadlock or a serialisation failure; run the transaction again
 * - `DATABASE.QUERY_FAILED`: everything else, with `sqlState`, `constraint`, `table` and the `query` with placeholders
 */
export function databaseError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const query = error instanceof DrizzleQueryError ? error.query : undefined;
  const origin = error instanceof DrizzleQueryError ? error.cause : error;
  const { code, constraint, table } = (origin ?? {}) as PostgresFields;
  const state = typeof code === 'string' && sqlState.test(code) ? code : undefined;
  if (isConnectionFailure(origin, state)) {
    return new AppError('DATABASE.UNAVAILABLE', 'The database cannot be reached.', {
      retryable: true,
      details: { reason: typeof code === 'string' ? code : 'connection lost' },
    });
  }
  const details = Object.fromEntries(
    Object.entries({ sqlState: state, constraint, table, query }).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
  if (state !== undefined && conflicts.has(state)) {
    return new AppError('DATABASE.CONFLICT', 'Another transaction was in the way.', { retryable: true, details });
  }
  return new AppError('DATABASE.QUERY_FAILED', `The database refused a query: ${reasonOf(origin, state)}`, { details });
}

/** Whether a unique index refused a row: any, or the one that is named. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (!isAppError(error, 'DATABASE.QUERY_FAILED') || error.details.sqlState !== UNIQUE_VIOLATION) return false;
  return constraint === undefined || error.details.constraint === constraint;
}

function isConnectionFailure(error: unknown, state: string | undefined): boolean {
  if (state !== undefined) return unavailable.test(state);
  if (error instanceof AggregateError) return error.errors.some((inner) => isConnectionFailure(inner, undefined));
  if (!(error instanceof Error)) return false;
  return (error as NodeJS.ErrnoException).syscall !== undefined || brokenConnection.test(error.message);
}

/** Class 22 (data exceptions) quotes the value in its message, so only its code is told. */
function reasonOf(error: unknown, state: string | undefined): string {
  if (state?.startsWith('22')) return `data exception ${state}`;
  return error instanceof Error ? error.message : 'unknown reason';
}
