import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { defaultCatalog } from '@sightline/model-catalog';
import { expect, it } from 'vitest';

import { modelStoreDirectory } from '../testing/test-registry.js';
import { makeVariant } from './make-variant.js';

const { presentationAttack } = defaultCatalog;

interface Side {
  readonly outputs: readonly { readonly mean: number }[];
}
interface Report {
  readonly reconstruction: { readonly before: Side; readonly after: Side; readonly isTaken: boolean };
}

it('makes integers that are more like the floats when they are solved anew', async () => {
  const source = await readFile(join(modelStoreDirectory, `${presentationAttack.imported.sha256}.onnx`));
  const files = { source: '', output: '', storeDirectory: modelStoreDirectory };
  const model = { task: 'presentationAttack' as const, spec: presentationAttack.spec };
  const steps: string[] = [];
  const { bytes, report } = await makeVariant(
    source,
    { ...files, kind: 'int8', model, options: { reconstruct: true } },
    (step) => steps.push(step),
  );
  const { before, after, isTaken } = (report as unknown as Report).reconstruction;
  expect(bytes.length).toBeLessThan(0.4 * source.length);
  expect(after.outputs[0]?.mean).toBeGreaterThan(before.outputs[0]?.mean ?? 1);
  expect(isTaken).toBe(true);
  expect(new Set(steps)).toContain('solving weights');
}, 120_000);
