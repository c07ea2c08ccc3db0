import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { defaultCatalog } from '@sightline/model-catalog';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { modelStoreDirectory } from '../testing/test-registry.js';
import { runModelWork, type ModelWorkOptions } from './run-model-work.js';

const MEGABYTE = 2 ** 20;
const { landmarks } = defaultCatalog;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-work-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(source: Uint8Array, options: Partial<ModelWorkOptions> = {}): Promise<unknown> {
  const path = join(folder, 'source.onnx');
  await writeFile(path, source);
  const limits = { memoryBytes: 1024 * MEGABYTE, deadlineMs: 20_000, ...options };
  const work = { source: path, output: join(folder, 'output.onnx'), storeDirectory: modelStoreDirectory };
  const model = { task: 'landmarks' as const, spec: landmarks.spec };
  return runModelWork({ ...work, kind: 'imported', model, options: {} }, limits);
}

/** Protobuf of one field of bytes. */
function field(number: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let rest = content.length; rest > 0 || length.length === 0; rest = Math.floor(rest / 128)) {
    length.push((rest % 128) + (rest > 127 ? 128 : 0));
  }
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), content]);
}

const opset = field(8, Buffer.from([0x10, 13]));

describe('work on a file of unknown origin', { timeout: 120_000 }, () => {
  it.each<[string, () => Uint8Array]>([
    [
      'names with millions of parts',
      () => Buffer.concat([opset, field(7, Buffer.alloc(16_000_000, Buffer.from([0x0a, 0])))]),
    ],
    ['types that are nested twenty thousand deep', () => Buffer.concat([opset, field(7, field(11, nested(20_000)))])],
    ['nothing but one byte', () => new Uint8Array(32 * MEGABYTE).fill(255)],
  ])('ends soon, and leaves this process alone: %s', async (_, make) => {
    const bytes = make();
    const before = [performance.now(), process.memoryUsage.rss()] as const;
    await expect(run(bytes)).rejects.toMatchObject({
      code: expect.stringMatching(/^MODEL\.(INVALID|UNSUPPORTED)$/) as string,
    });
    expect(performance.now() - before[0]).toBeLessThan(15_000);
    expect(process.memoryUsage.rss() - before[1]).toBeLessThan(128 * MEGABYTE);
  });

  it('is ended when it takes more memory or time than it may, or is not wanted any more', async () => {
    const model = new Uint8Array(MEGABYTE);
    await expect(run(model, { memoryBytes: 24 * MEGABYTE })).rejects.toMatchObject({ code: 'MODEL.WORK_EXCEEDED' });
    await expect(run(model, { deadlineMs: 1 })).rejects.toMatchObject({ code: 'MODEL.WORK_EXCEEDED' });
    const stopping = new AbortController();
    const running = run(model, { signal: stopping.signal });
    stopping.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});

/** A value whose type is a sequence of sequences of sequences … */
function nested(depth: number): Uint8Array {
  let type: Uint8Array = new Uint8Array();
  for (let level = 0; level < depth; level += 1) type = field(level === depth - 1 ? 2 : 4, field(1, type));
  return type;
}
