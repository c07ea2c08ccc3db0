import type { Logger } from '@sightline/kernel';
import { pino, type Logger as PinoLogger } from 'pino';

import { redactFields } from './redaction.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LoggerOptions {
  /** The program that speaks: `edge-agent`, `cloud-api`. */
  readonly name: string;
  readonly level: LogLevel;
  /** Where the lines of JSON go. Default: standard output. */
  readonly destination?: { write(line: string): void };
}

function wrap(target: PinoLogger): Logger {
  return {
    debug: (fields, message) => {
      if (target.isLevelEnabled('debug')) target.debug(redactFields(fields), message);
    },
    info: (fields, message) => {
      if (target.isLevelEnabled('info')) target.info(redactFields(fields), message);
    },
    warn: (fields, message) => {
      if (target.isLevelEnabled('warn')) target.warn(redactFields(fields), message);
    },
    error: (fields, message) => {
      if (target.isLevelEnabled('error')) target.error(redactFields(fields), message);
    },
    child: (fields) => wrap(target.child(redactFields(fields))),
  };
}

/**
 * Structured logs: one line of JSON per record, with `level` as a word and `time` in ISO 8601. Whatever looks
 * like a secret, a person's name, a template or an image is redacted at every depth.
 */
export function createLogger({ name, level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { program: name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // Errors are already plain objects here: see `redactFields`.
    serializers: {},
  };
  return wrap(destination === undefined ? pino(options) : pino(options, destination));
}
