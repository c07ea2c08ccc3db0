import { describe, expect, it } from 'vitest';

import { Turnstile } from './turnstile.js';

/** Tasks that end when the test says so. */
function controlledTasks() {
  const started: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const task = (name: string) => () =>
    new Promise<string>((resolve, reject) => {
      started.push(name);
      ends.set(name, (error) => (error ? reject(error) : resolve(name)));
    });
  return { started, task, end: (name: string, error?: Error) => ends.get(name)?.(error) };
}

describe('a turnstile', () => {
  it('lets so many run at once, and the others in the order in which they came', async () => {
    const { started, task, end } = controlledTasks();
    const turnstile = new Turnstile({ places: 2, waiting: 2 });
    const passed = ['a', 'b', 'c', 'd'].map((name) => turnstile.pass(task(name)));
    expect(started).toEqual(['a', 'b']);
    end('b');
    await passed[1];
    expect(started).toEqual(['a', 'b', 'c']);
    for (const name of ['a', 'c']) end(name);
    await Promise.all([passed[0], passed[2]]);
    end('d');
    expect(await Promise.all(passed)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('turns away whom nobody has room for, and takes the next one when there is', async () => {
    const { task, end } = controlledTasks();
    const turnstile = new Turnstile({ places: 1, waiting: 1 });
    const [first, second] = [turnstile.pass(task('a')), turnstile.pass(task('b'))];
    await expect(turnstile.pass(task('c'))).rejects.toMatchObject({ code: 'REQUEST.RATE_LIMITED', retryable: true });
    end('a');
    await first;
    const third = turnstile.pass(task('d'));
    end('b');
    await second;
    end('d');
    expect(await third).toBe('d');
  });

  it('that is closed sends away who waits and who comes, and lets the others finish', async () => {
    const { task, end } = controlledTasks();
    const turnstile = new Turnstile({ places: 1, waiting: 1 });
    const [running, waiting] = [turnstile.pass(task('a')), turnstile.pass(task('b'))];
    turnstile.close();
    for (const refused of [waiting, turnstile.pass(task('c'))]) {
      await expect(refused).rejects.toMatchObject({ code: 'SERVICE.UNAVAILABLE', retryable: true });
    }
    end('a');
    expect(await running).toBe('a');
  });

  it('gives the place of a task that failed to the next', async () => {
    const { task, end } = controlledTasks();
    const turnstile = new Turnstile({ places: 1, waiting: 1 });
    const [failing, waiting] = [turnstile.pass(task('a')), turnstile.pass(task('b'))];
    end('a', new Error('it failed'));
    await expect(failing).rejects.toThrow('it failed');
    end('b');
    expect(await waiting).toBe('b');
  });
});
