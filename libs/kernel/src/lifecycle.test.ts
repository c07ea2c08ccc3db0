import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import { StopStack } from './lifecycle.js';

describe('StopStack', () => {
  it('stops in reverse order, one after the other, once', async () => {
    const order: string[] = [];
    const stack = new StopStack();
    stack.push(() => void order.push('first'));
    stack.push(async () => {
      await Promise.resolve();
      order.push('second');
    });
    await Promise.all([stack.stop(), stack.stop()]);
    await stack.stop();
    expect(order).toEqual(['second', 'first']);
  });

  it('stops the others when one fails, and tells all failures at the end', async () => {
    const order: string[] = [];
    const stack = new StopStack();
    stack.push(() => void order.push('database'));
    stack.push(() => Promise.reject(new Error('broker')));
    stack.push(() => {
      throw new Error('server');
    });
    const failure = await stack.stop().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AggregateError);
    expect((failure as AggregateError).errors.map(String)).toEqual(['Error: server', 'Error: broker']);
    expect(order).toEqual(['database']);
  });

  it('has nothing to do when nothing was started', async () => {
    await expect(new StopStack().stop()).resolves.toBeUndefined();
  });
});

describe('terminationSignal', () => {
  async function runUntilReady() {
    const library = new URL('../dist/lifecycle.js', import.meta.url).href;
    const script = `
      const { terminationSignal } = await import(${JSON.stringify(library)});
      const signal = terminationSignal();
      signal.addEventListener('abort', () => console.log(signal.reason.message));
      setInterval(() => {}, 1000);
      console.log('ready');
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const next = async () => String((await once(child.stdout, 'data'))[0]).trim();
    expect(await next()).toBe('ready');
    return { child, next };
  }

  it.each(['SIGINT', 'SIGTERM'] as const)('fires at the first %s and ends the process at the second', async (name) => {
    const { child, next } = await runUntilReady();
    child.kill(name);
    expect(await next()).toBe(`received ${name}`);
    const ended = once(child, 'exit');
    child.kill(name);
    expect(await ended).toEqual([130, null]);
  });
});
