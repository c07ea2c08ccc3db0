import { AppError, type Logger } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { createLogger, nestLogger, type LogLevel } from './index.js';

function capture(level: LogLevel = 'debug'): { logger: Logger; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const logger = createLogger({ name: 'test', level, destination: { write: (line) => written.push(line) } });
  return { logger, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('createLogger', () => {
  it('writes one JSON object a line with the program, the level as a word and an ISO time', () => {
    const { logger, lines } = capture();
    logger.info({ batch: 3 }, 'batch committed');
    expect(lines()).toHaveLength(1);
    expect(lines()[0]).toMatchObject({ program: 'test', level: 'info', msg: 'batch committed', batch: 3 });
    expect(lines()[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it('redacts secrets, names, templates and images at every depth, in child fields too', () => {
    const { logger, lines } = capture();
    const child = logger.child({ accessToken: 'abc', tenantId: 'acme' });
    child.warn({ person: { name: 'Ada' }, list: [{ 'x-api-key': 'abc' }], template: [1], DB_PASSWORD: 'abc' }, 'x');
    const [line] = lines();
    expect(line).toMatchObject({ tenantId: 'acme', accessToken: '[redacted]', template: '[redacted]' });
    expect(JSON.stringify(line)).not.toMatch(/abc|Ada/);
  });

  it('writes the length of bytes instead of the bytes', () => {
    const { logger, lines } = capture();
    logger.info({ payload: new Uint8Array(12), codes: new Int8Array(512) }, 'received');
    expect(lines()[0]).toMatchObject({ payload: '[12 bytes]', codes: '[512 bytes]' });
  });

  it("keeps an error's code, details and cause, and redacts within its details", () => {
    const { logger, lines } = capture();
    const cause = new Error('socket closed');
    const error = new AppError('MQTT.OFFLINE', 'No connection.', { retryable: true, cause, details: { token: 't1' } });
    logger.error({ error }, 'publish failed');
    expect(lines()[0]?.error).toMatchObject({
      code: 'MQTT.OFFLINE',
      retryable: true,
      details: { token: '[redacted]' },
      cause: { message: 'socket closed' },
    });
  });

  it('survives a value that refers to itself', () => {
    const { logger, lines } = capture();
    const circular: Record<string, unknown> = { kept: 1 };
    circular.self = circular;
    logger.info({ circular, size: 10n }, 'round');
    expect(lines()[0]).toMatchObject({ circular: { kept: 1 }, size: '10' });
  });

  it('is quiet below its level', () => {
    const { logger, lines } = capture('warn');
    logger.info({}, 'not this');
    logger.warn({}, 'this');
    expect(lines().map((line) => line.msg)).toEqual(['this']);
  });
});

describe('nestLogger', () => {
  it('passes the context and the stack of what Nest reports', () => {
    const { logger, lines } = capture();
    const nest = nestLogger(logger);
    nest.warn('careful', 'RouterExplorer');
    nest.error('failed', 'Error: x\n    at y', 'ExceptionsHandler');
    expect(lines()).toMatchObject([
      { level: 'warn', msg: 'careful', context: 'RouterExplorer' },
      { level: 'error', msg: 'failed', context: 'ExceptionsHandler', stack: 'Error: x\n    at y' },
    ]);
  });

  it('reports a thrown error with its message and an object with its fields', () => {
    const { logger, lines } = capture();
    const nest = nestLogger(logger);
    nest.error(new Error('boom'), 'Bootstrap');
    nest.log({ routes: 3 });
    expect(lines()).toMatchObject([
      { level: 'error', msg: 'boom', context: 'Bootstrap', error: { message: 'boom' } },
      { level: 'debug', detail: { routes: 3 } },
    ]);
  });
});
