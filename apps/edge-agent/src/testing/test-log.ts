import type { Logger } from '@sightline/kernel';

interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly code: unknown;
  readonly message: string;
}

/** A logger that remembers. */
export class TestLog implements Logger {
  readonly lines: LogLine[] = [];

  /** Codes that were logged as warnings or errors. */
  get codes(): readonly unknown[] {
    return this.lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ code }) => code);
  }

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: 'debug', code: fields.code, message });
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: 'info', code: fields.code, message });
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: 'warn', code: fields.code, message });
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level: 'error', code: fields.code, message });
  }

  child(): Logger {
    return this;
  }
}
