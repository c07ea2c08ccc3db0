import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { readDataSet } from './data-set.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-data-set-'));
});
afterEach(() => rm(folder, { recursive: true }));

const images = ['Ann_1.jpg', 'Ann_2.jpg', 'Bob_1.jpg', 'Cid_1.jpg', 'Cid_2.jpg', 'Dot_1.jpg', 'Eve_1.jpg', 'Fay_1.jpg'];
const good = {
  'pairs.tsv': 'fold\ta\tb\tsame\n1\tAnn_1.jpg\tAnn_2.jpg\t1\n1\tAnn_1.jpg\tBob_1.jpg\t0\n2\tCid_1.jpg\tCid_2.jpg\t1\n',
  'calibration.txt': 'Dot_1.jpg\r\n',
  'unknown.txt': 'Eve_1.jpg\n',
};

async function write(files: Readonly<Record<string, string>>, names: readonly string[] = images): Promise<void> {
  await mkdir(join(folder, 'images'));
  for (const name of names) await writeFile(join(folder, 'images', name), '');
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}

test('a folder is read: calibration images are left out, and people of no pair take turns in the folds', async () => {
  await write(good);
  const data = await readDataSet(folder);
  expect(data.images).toEqual(images.filter((name) => name !== 'Dot_1.jpg'));
  expect(data.pairs[1]).toEqual({ fold: 1, one: 'Ann_1.jpg', other: 'Bob_1.jpg', same: false });
  expect(Object.fromEntries(data.foldOfIdentity)).toEqual({ Ann: 1, Bob: 1, Cid: 2, Eve: 1, Fay: 2 });
  expect([data.calibration, data.strangers]).toEqual([['Dot_1.jpg'], ['Eve_1.jpg']]);
});

test.each([
  ['names an image that is not in images/', { 'pairs.tsv': 'fold\ta\tb\tsame\n1\tAnn_1.jpg\tNobody_1.jpg\t0\n' }],
  ['says of "same" something else', { 'pairs.tsv': 'fold\ta\tb\tsame\n1\tAnn_1.jpg\tBob_1.jpg\t1\n' }],
  ['The first line of pairs.tsv', { 'pairs.tsv': '1\tAnn_1.jpg\tAnn_2.jpg\t1\n' }],
  ['lists no pair', { 'pairs.tsv': 'fold\ta\tb\tsame\n' }],
  ['a number of a fold', { 'pairs.tsv': 'fold\ta\tb\tsame\none\tAnn_1.jpg\tAnn_2.jpg\t1\n' }],
  ['single fold', { 'pairs.tsv': 'fold\ta\tb\tsame\n1\tAnn_1.jpg\tAnn_2.jpg\t1\n' }],
  [
    'Ann is in two folds',
    { 'pairs.tsv': 'fold\ta\tb\tsame\n1\tAnn_1.jpg\tAnn_2.jpg\t1\n2\tAnn_1.jpg\tBob_1.jpg\t0\n' },
  ],
  ['whose person is also in pairs.tsv', { 'unknown.txt': 'Bob_1.jpg\n' }],
  ['listed in both', { 'unknown.txt': 'Dot_1.jpg\n' }],
  ['unknown.txt is empty', { 'unknown.txt': '\n' }],
])('a folder that is not of the form is refused: %s', async (message, change) => {
  await write({ ...good, ...change });
  await expect(readDataSet(folder)).rejects.toThrow(message);
});

test('missing files and nameless images are named', async () => {
  await expect(readDataSet(join(folder, 'nowhere'))).rejects.toThrow('holds no folder "images"');
  await write({ 'pairs.tsv': good['pairs.tsv'] }, [...images, 'nameless.jpg']);
  await expect(readDataSet(folder)).rejects.toThrow('images/nameless.jpg is not named');
  await rm(join(folder, 'images', 'nameless.jpg'));
  await expect(readDataSet(folder)).rejects.toThrow('holds no file "calibration.txt"');
});
