import { AppError } from '@sightline/kernel';

const REDACTED = '[redacted]';
const MAXIMUM_DEPTH = 6;
const MAXIMUM_ITEMS = 100;

/** Keys whose end alone gives them away: `dbPassword`, `accessToken`, `x-api-key`. */
const secretEndings = ['password', 'passphrase', 'secret', 'apikey', 'authorization', 'cookie', 'token', 'privatekey'];

/** Keys that hold a person's name, face or features. */
const personalKeys = new Set([
  'name',
  'displayname',
  'fullname',
  'firstname',
  'lastname',
  'template',
  'templates',
  'embedding',
  'vector',
  'probe',
  'image',
  'photo',
  'frame',
  'crop',
]);

/** Whether a field of this name never reaches a log, whatever it holds. Case, `-` and `_` make no difference. */
function isSensitiveKey(key: string): boolean {
  const plain = key.toLowerCase().replaceAll(/[-_]/g, '');
  return personalKeys.has(plain) || secretEndings.some((ending) => plain.endsWith(ending));
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  return {
    type: error.name,
    message: error.message,
    ...(error instanceof AppError && { code: error.code, retryable: error.retryable }),
    ...(error instanceof AppError && { details: redactValue(error.details, depth + 1) }),
    stack: error.stack,
    ...(error.cause !== undefined && { cause: redactValue(error.cause, depth + 1) }),
  };
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  // Bytes and typed arrays are images, templates or keys: their length is all that a log may know.
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value.toISOString();
  if (depth >= MAXIMUM_DEPTH) return '[too deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
  if (Array.isArray(value)) return value.slice(0, MAXIMUM_ITEMS).map((item) => redactValue(item, depth + 1));
  return redactRecord(value, depth);
}

function redactRecord(fields: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      isSensitiveKey(key) && value !== undefined ? REDACTED : redactValue(value, depth + 1),
    ]),
  );
}

/**
 * A copy of a log record's fields without secrets, names, templates or images, at every depth. Errors become
 * plain objects with their code and cause; arrays are cut at 100 items.
 */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactRecord(fields, 0);
}
