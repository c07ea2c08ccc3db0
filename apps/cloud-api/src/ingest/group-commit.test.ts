import { describe, expect, it } from 'vitest';

import { GroupCommit } from './group-commit.js';

function deferred() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe('the group commit', () => {
  it('commits what arrived during a commit as one group, in order', async () => {
    const groups: (readonly number[])[] = [];
    const first = deferred();
    const commits = new GroupCommit<number, number>({
      largest: 3,
      commit: async (items) => {
        groups.push(items);
        if (groups.length === 1) await first.promise;
        return items.map((item) => item * 10);
      },
      isolate: () => Promise.reject(new Error('not expected')),
    });
    const results = [commits.add(1)];
    await new Promise((resolve) => setImmediate(resolve));
    for (const item of [2, 3, 4, 5]) results.push(commits.add(item));
    expect(commits.waiting).toBe(4);
    first.resolve();
    expect(await Promise.all(results)).toEqual([10, 20, 30, 40, 50]);
    expect(groups).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('commits the others of a group when one of them cannot be committed', async () => {
    const commits = new GroupCommit<number, string>({
      largest: 10,
      commit: async (items) => {
        if (items.includes(2)) throw new Error('bad item');
        return items.map((item) => `stored ${item}`);
      },
      isolate: async (item) => `isolated ${item}`,
    });
    const results = await Promise.all([1, 2, 3].map((item) => commits.add(item)));
    expect(results).toEqual(['stored 1', 'isolated 2', 'stored 3']);
  });

  it('rejects what waits once it stops, and finishes what is under way', async () => {
    const underWay = deferred();
    const commits = new GroupCommit<number, number>({
      largest: 1,
      commit: async (items) => {
        await underWay.promise;
        return items;
      },
      isolate: () => Promise.reject(new Error('not expected')),
    });
    const first = commits.add(1);
    const second = commits.add(2);
    second.catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    const stopped = commits.stop();
    underWay.resolve();
    await stopped;
    expect(await first).toBe(1);
    await expect(second).rejects.toThrow('the service stops');
    await expect(commits.add(3)).rejects.toThrow('the service stops');
  });
});
