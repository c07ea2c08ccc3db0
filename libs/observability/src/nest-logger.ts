import { errorMessage, type Logger } from '@sightline/kernel';
import type { LoggerService } from '@nestjs/common';

interface NestRecord {
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Nest calls with (message, …parameters), the last parameter being the context's name when it is a string. */
function toRecord(message: unknown, parameters: readonly unknown[]): NestRecord {
  const last = parameters.at(-1);
  const context = typeof last === 'string' ? { context: last } : {};
  if (message instanceof Error) return { text: errorMessage(message), fields: { ...context, error: message } };
  if (typeof message === 'string') return { text: message, fields: context };
  return { text: 'Nest', fields: { ...context, detail: message } };
}

function errorRecord(message: unknown, parameters: readonly unknown[]): NestRecord {
  const record = toRecord(message, parameters);
  const [first] = parameters;
  // error(message, stack, context): a stack has several lines, a context has one.
  const stack = typeof first === 'string' && first.includes('\n') ? { stack: first } : {};
  const cause = first instanceof Error ? { error: first } : {};
  return { text: record.text, fields: { ...record.fields, ...stack, ...cause } };
}

/** Sends Nest's own log lines through the kernel's port, so that a program has one stream of records. */
export function nestLogger(logger: Logger): LoggerService {
  const write =
    (level: 'debug' | 'info' | 'warn') =>
    (message: unknown, ...parameters: unknown[]): void => {
      const { text, fields } = toRecord(message, parameters);
      logger[level](fields, text);
    };
  const writeError = (message: unknown, ...parameters: unknown[]): void => {
    const { text, fields } = errorRecord(message, parameters);
    logger.error(fields, text);
  };
  return {
    // What Nest says at level "log" (mapped routes, initialised modules) interests only somebody who debugs.
    log: write('debug'),
    warn: write('warn'),
    debug: write('debug'),
    verbose: write('debug'),
    error: writeError,
    fatal: writeError,
  };
}
