import { setTimeout as delay } from 'node:timers/promises';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ExclusiveRunner } from './exclusive-runner.js';

describe('ExclusiveRunner', () => {
  it('never overlaps tasks and keeps their order, whatever they last and whichever fail', async () => {
    const task = fc.record({ waitMs: fc.integer({ min: 0, max: 3 }), fails: fc.boolean(), synchronous: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(task, { maxLength: 8 }), async (tasks) => {
        const runner = new ExclusiveRunner();
        const order: number[] = [];
        let active = 0;
        const results = tasks.map(({ waitMs, fails, synchronous }, index) =>
          runner.run(() => {
            expect(++active).toBe(1);
            order.push(index);
            const end = () => {
              active -= 1;
              if (fails) throw new Error(`task ${index}`);
              return index;
            };
            return synchronous ? end() : delay(waitMs).then(end);
          }),
        );
        const settled = await Promise.allSettled(results);
        expect(settled.map(({ status }) => status === 'rejected')).toEqual(tasks.map(({ fails }) => fails));
        expect(order).toEqual(tasks.map((_, index) => index));
      }),
      { numRuns: 40 },
    );
  });

  it('hands a task’s own result and error to whoever gave it', async () => {
    const runner = new ExclusiveRunner();
    const failing = runner.run(() => Promise.reject(new Error('mine')));
    const next = runner.run(() => 'yours');
    await expect(failing).rejects.toThrow('mine');
    await expect(next).resolves.toBe('yours');
  });

  it('is idle once everything given before has settled, failures too', async () => {
    const runner = new ExclusiveRunner();
    await runner.idle();
    const done: string[] = [];
    void runner.run(() => delay(10).then(() => done.push('slow')));
    runner.run(() => Promise.reject(new Error('x'))).catch(() => done.push('failed'));
    await runner.idle();
    expect(done).toEqual(['slow', 'failed']);
  });
});
