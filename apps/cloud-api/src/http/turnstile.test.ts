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

let nowMs = 0;
const open = (places: number, waiting: number) =>
  new Turnstile({ places, waiting, clock: { monotonicMs: () => nowMs } });
const client = 'client';

describe('a turnstile', () => {
  it('lets so many run at once, and the others in the order in which they came', async () => {
    const { started, task, end } = controlledTasks();
    const turnstile = open(2, 4);
    const passed = ['a', 'b', 'c', 'd'].map((name) => turnstile.pass(task(name), { client }));
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
    const turnstile = open(1, 1);
    const [first, second] = [turnstile.pass(task('a'), { client }), turnstile.pass(task('b'), { client })];
    await expect(turnstile.pass(task('c'), { client })).rejects.toMatchObject({
      code: 'REQUEST.RATE_LIMITED',
      retryable: true,
    });
    end('a');
    await first;
    const third = turnstile.pass(task('d'), { client });
    end('b');
    await second;
    end('d');
    expect(await third).toBe('d');
  });

  it('that is closed sends away who waits and who comes, and lets the others finish', async () => {
    const { task, end } = controlledTasks();
    const turnstile = open(1, 1);
    const [running, waiting] = [turnstile.pass(task('a'), { client }), turnstile.pass(task('b'), { client })];
    turnstile.close();
    for (const refused of [waiting, turnstile.pass(task('c'), { client })]) {
      await expect(refused).rejects.toMatchObject({ code: 'SERVICE.UNAVAILABLE', retryable: true });
    }
    end('a');
    expect(await running).toBe('a');
  });

  it('gives the place of a task that failed to the next', async () => {
    const { task, end } = controlledTasks();
    const turnstile = open(1, 1);
    const [failing, waiting] = [turnstile.pass(task('a'), { client }), turnstile.pass(task('b'), { client })];
    end('a', new Error('it failed'));
    await expect(failing).rejects.toThrow('it failed');
    end('b');
    expect(await waiting).toBe('b');
  });

  it('lets clients take turns, however many tasks one of them has', async () => {
    const { started, task, end } = controlledTasks();
    const turnstile = open(1, 8);
    const names = ['bulk-1', 'bulk-2', 'bulk-3', 'one-1', 'two-1', 'one-2'];
    const passed = names.map((name) => turnstile.pass(task(name), { client: name.slice(0, 3) }));
    while (started.length < names.length) {
      end(started.at(-1) ?? '');
      await new Promise(setImmediate);
    }
    end(started.at(-1) ?? '');
    await Promise.all(passed);
    expect(started).toEqual(['bulk-1', 'bulk-2', 'one-1', 'two-1', 'bulk-3', 'one-2']);
  });

  it('keeps room for others when one client fills its share', async () => {
    const { task } = controlledTasks();
    const turnstile = open(1, 8);
    const refused: string[] = [];
    const come = (name: string) =>
      turnstile.pass(task(name), { client: name }).catch(() => {
        refused.push(name);
      });
    void come('bulk');
    for (let count = 0; count < 6; count += 1) void come('bulk');
    void come('other');
    await new Promise(setImmediate);
    expect(refused).toEqual(['bulk', 'bulk']);
    turnstile.close();
  });

  it('says how long its queue takes, once it knows', async () => {
    const { task, end } = controlledTasks();
    const turnstile = open(1, 2);
    const first = turnstile.pass(task('a'), { client });
    nowMs += 3000;
    end('a');
    await first;
    void turnstile.pass(task('b'), { client });
    turnstile.pass(task('c'), { client }).catch(() => undefined);
    await expect(turnstile.pass(task('d'), { client })).rejects.toMatchObject({ details: { retryAfterSeconds: 6 } });
    turnstile.close();
  });

  it('forgets who went away while they waited', async () => {
    const { started, task, end } = controlledTasks();
    const turnstile = open(1, 4);
    const away = new AbortController();
    const first = turnstile.pass(task('a'), { client });
    const left = turnstile.pass(task('b'), { client, signal: away.signal });
    const last = turnstile.pass(task('c'), { client });
    const reason = new Error('gone');
    away.abort(reason);
    await expect(left).rejects.toBe(reason);
    await expect(turnstile.pass(task('d'), { client, signal: away.signal })).rejects.toBe(reason);
    end('a');
    await first;
    end('c');
    expect(await last).toBe('c');
    expect(started).toEqual(['a', 'c']);
  });
});
