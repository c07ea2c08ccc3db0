import { describe, expect, it } from 'vitest';

import { GroupCommit, type GroupCommitOptions } from './group-commit.js';

function deferred() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

/** The groups in which items are committed that arrive during another commit: the first of four. */
async function groupsOf(
  items: readonly number[],
  options: Pick<GroupCommitOptions<number, number>, 'largest' | 'weightOf' | 'isUrgent'>,
): Promise<readonly (readonly number[])[]> {
  const groups: (readonly number[])[] = [];
  const first = deferred();
  const commits = new GroupCommit<number, number>({
    ...options,
    commit: async (group) => {
      groups.push(group);
      if (groups.length === 1) await first.promise;
      return group;
    },
    isolate: () => Promise.reject(new Error('not expected')),
  });
  const results = [commits.add(0)];
  await new Promise((resolve) => setImmediate(resolve));
  results.push(...items.map((item) => commits.add(item)));
  first.resolve();
  expect(await Promise.all(results)).toEqual([0, ...items]);
  return groups.slice(1);
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

  it('takes no more than it may at once, but a single item of any weight', async () => {
    expect(await groupsOf([3, 3, 3, 20, 1], { largest: 7, weightOf: (item) => item })).toEqual([
      [3, 3],
      [3],
      [20],
      [1],
    ]);
  });

  it('takes urgent items first, in their order, and fills up with others', async () => {
    const isUrgent = (item: number): boolean => item >= 10;
    expect(await groupsOf([1, 2, 10, 3, 11, 12], { largest: 4, isUrgent })).toEqual([
      [10, 11, 12, 1],
      [2, 3],
    ]);
  });

  it('begins every fourth group with those that are not urgent', async () => {
    const isUrgent = (item: number): boolean => item >= 10;
    const groups = await groupsOf([1, 2, 10, 11, 12, 13, 14], { largest: 1, isUrgent });
    expect(groups.flat()).toEqual([10, 11, 1, 12, 13, 14, 2]);
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
