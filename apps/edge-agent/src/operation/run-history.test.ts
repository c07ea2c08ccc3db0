import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { TestLog } from '../testing/test-log.js';
import { RunHistory } from './run-history.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-runs-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (): RunHistory => new RunHistory(join(directory, 'runs.json'), silentLogger);

it('tells runs that were stopped from runs that were killed and runs that ended at the memory ceiling', () => {
  open().ended('stopped');
  open(); // killed
  open().ended('memory-exceeded');
  expect(open().counts).toEqual({ starts: 4, unclean: 1, memoryExceeded: 1 });
});

it('begins anew after damage, and runs on where nothing can be written', () => {
  writeFileSync(join(directory, 'runs.json'), '{"starts": "many"');
  expect(open().counts).toEqual({ starts: 1, unclean: 0, memoryExceeded: 0 });
  const log = new TestLog();
  const history = new RunHistory(join(directory, 'nowhere', 'runs.json'), log);
  history.ended('stopped');
  expect(history.counts.starts).toBe(1);
});
