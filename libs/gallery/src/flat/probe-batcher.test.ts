import { describe, expect, it } from 'vitest';

import { ProbeBatcher } from './probe-batcher.js';

/** A batcher that doubles numbers, one batch for each `release`. */
function doubling() {
  const batches: (readonly number[])[] = [];
  const gates: (() => void)[] = [];
  const batcher = new ProbeBatcher<number, number>(async (questions) => {
    batches.push(questions);
    await new Promise<void>((resolve) => gates.push(resolve));
    if (questions.includes(-1)) throw new Error('no');
    return questions.map((question) => 2 * question);
  });
  const release = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { batcher, batches, release };
}

describe('a probe batcher', () => {
  it('puts what arrives in one turn into one batch, and what arrives meanwhile into the next', async () => {
    const { batcher, batches, release } = doubling();
    const first = [1, 2].map((question) => batcher.ask(question));
    await new Promise((resolve) => setImmediate(resolve));
    const second = [3, 4, 5].map((question) => batcher.ask(question));
    await release();
    await release();
    expect(await Promise.all([...first, ...second])).toEqual([2, 4, 6, 8, 10]);
    expect(batches).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
  });

  it('asks for at most 32 at a time, in order of arrival', async () => {
    const { batcher, batches, release } = doubling();
    const answers = Array.from({ length: 70 }, (_, question) => batcher.ask(question));
    for (let batch = 0; batch < 3; batch += 1) await release();
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 70 }, (_, question) => 2 * question));
    expect(batches.map((batch) => batch.length)).toEqual([32, 32, 6]);
  });

  it('fails a batch as one, and serves the next', async () => {
    const { batcher, release } = doubling();
    const failing = Promise.allSettled([12, -1].map((question) => batcher.ask(question)));
    await release();
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const after = batcher.ask(14);
    await release();
    expect(await after).toBe(28);
  });

  it('drops an aborted question that waits, and answers the others', async () => {
    const { batcher, batches, release } = doubling();
    const controller = new AbortController();
    const running = batcher.ask(1, controller.signal).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = batcher.ask(2, controller.signal).catch((error: unknown) => error);
    const other = batcher.ask(3);
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await Promise.all([running, waiting])).toEqual([reason, reason]);
    await release();
    await release();
    expect(await other).toBe(6);
    expect(batches).toEqual([[1], [3]]);
    await expect(batcher.ask(4, controller.signal)).rejects.toBe(reason);
  });
});
