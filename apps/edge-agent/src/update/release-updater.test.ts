import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import { AppError, silentLogger, type Sha256 } from '@sightline/kernel';
import { ReleaseStore } from '@sightline/release-trust';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { RecogniserSlot, type ActiveRelease } from '../pipeline/recogniser-slot.js';
import { fakeBundle } from '../testing/agent-stage.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { DesiredVersionsFile } from './desired-versions.js';
import { ReleaseUpdater } from './release-updater.js';
import { UpdateJournal } from './update-journal.js';

const old = fakeBundle('1.0.0', 'a'.repeat(64) as Sha256);
const fresh = fakeBundle('1.1.0', 'b'.repeat(64) as Sha256);
const bundles = new Map<string, VerifiedBundle>([old, fresh].map((bundle) => [bundle.digest, bundle]));

let directory: string;
let clock: VirtualClock;
let failures: number;
let selfTest: () => Promise<void>;
let steps: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-updater-'));
  clock = new VirtualClock();
  failures = 0;
  selfTest = async () => undefined;
  steps = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const storeOf = (): ReleaseStore =>
  new ReleaseStore({
    directory,
    clock,
    open: async (digest) => bundles.get(digest) ?? Promise.reject(new Error('gone')),
  });

/** A start of the agent. */
function boot(): { readonly updater: ReleaseUpdater; readonly slot: RecogniserSlot } {
  const slot = new RecogniserSlot();
  const journal = new UpdateJournal({
    ...{ path: join(directory, 'update.json'), clock, log: silentLogger },
    onStep: ({ step, error }) => void steps.push(error === '' ? step : `${step} ${error}`),
  });
  const updater = new ReleaseUpdater({
    ...{ store: storeOf(), slot, journal, clock, log: silentLogger, random: () => 0, onChange: () => undefined },
    client: { download: async (selector) => bundles.get(selector?.digest ?? '') ?? Promise.reject(new Error('gone')) },
    open: async ({ manifest, digest }) =>
      ({ version: manifest.version, digest, recogniser: { close: async () => undefined } }) as unknown as ActiveRelease,
    selfTest: () => selfTest(),
    versions: new DesiredVersionsFile(join(directory, 'desired.json'), silentLogger),
    policy: { jitterMs: 0, probationMs: 60_000, probationBoots: 2 },
    failures: () => failures,
    repositoryUrl: '',
  });
  return { updater, slot };
}

/** Lets virtual time pass, a little at a time, and the disk work meanwhile, until it is so. */
async function until(isSo: () => boolean, stepMs = 1): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`it never came to be: ${steps.join(', ')}`);
    await clock.advance(stepMs);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const desire = (updater: ReleaseUpdater, version = 2n): void =>
  updater.desire({
    ...{ version, releaseVersion: '1.1.0', releaseDigest: fresh.digest, repositoryUrl: '', manifestTarget: '' },
    ...{ schemaVersion: 1, trialArm: '', $typeName: 'sightline.v1.DesiredRelease' },
  });

describe('an update', () => {
  beforeEach(() => storeOf().activate(old));

  it('takes its steps, and lets the old release go when the new one has run well', async () => {
    const { updater, slot } = boot();
    await updater.runActive();
    desire(updater);
    await until(() => steps.includes('ACTIVE'));
    expect(slot.current?.digest).toBe(fresh.digest);
    expect(await storeOf().slots()).toMatchObject({ previous: old.digest, bootsLeft: 2 });
    await until(() => steps.includes('COMMITTED'), 3000);
    expect(steps).toEqual(['OFFERED', 'DOWNLOADING', 'VERIFIED', 'STAGED', 'SELF_TEST', 'ACTIVE', 'COMMITTED']);
    expect((await storeOf().slots()).bootsLeft).toBeUndefined();
    await updater.stop();
  });

  it('is taken back when recognition fails again and again, and not tried with the same document', async () => {
    const { updater, slot } = boot();
    await updater.runActive();
    desire(updater);
    await until(() => steps.includes('ACTIVE'));
    // The watch begins with what it finds.
    await until(() => clock.monotonicMs() > 5000, 1000);
    failures = 11;
    await until(() => steps.at(-1) === 'ROLLED_BACK RELEASE.PROBATION_FAILED', 3000);
    expect(slot.current?.digest).toBe(old.digest);
    await updater.stop();
    const again = boot();
    await again.updater.runActive();
    desire(again.updater);
    await clock.advance(1000);
    expect(again.slot.current?.digest).toBe(old.digest);
    expect(again.updater.state).toMatchObject({ status: 'failed', error: 'RELEASE.PROBATION_FAILED' });
    desire(again.updater, 3n);
    await until(() => again.slot.current?.digest === fresh.digest);
    await again.updater.stop();
  });

  it('is given up when the agent does not outlive its starts on probation', async () => {
    const first = boot();
    await first.updater.runActive();
    desire(first.updater);
    await until(() => steps.includes('ACTIVE'));
    // The process ends without a word, three times: nothing of it is stopped.
    for (let start = 0; start < 2; start += 1) {
      const { updater, slot } = boot();
      await updater.runActive();
      expect(slot.current?.digest).toBe(fresh.digest);
    }
    const { updater, slot } = boot();
    await updater.runActive();
    expect(slot.current?.digest).toBe(old.digest);
    expect(updater.update).toMatchObject({ step: 'ROLLED_BACK', error: 'RELEASE.GIVEN_UP' });
    expect(updater.state).toMatchObject({ status: 'failed', error: 'RELEASE.GIVEN_UP' });
  });

  it('is given up when its self-test ends the process again and again', async () => {
    selfTest = () => new Promise(() => undefined);
    for (let start = 0; start < 2; start += 1) {
      const { updater, slot } = boot();
      await slot.swap({ digest: old.digest, recogniser: { close: async () => undefined } } as unknown as ActiveRelease);
      desire(updater);
      await until(() => updater.update?.step === 'SELF_TEST');
    }
    const { updater, slot } = boot();
    await slot.swap({ digest: old.digest, recogniser: { close: async () => undefined } } as unknown as ActiveRelease);
    desire(updater);
    await until(() => updater.update?.step === 'FAILED');
    expect(updater.update).toMatchObject({ error: 'RELEASE.GIVEN_UP' });
    expect((await storeOf().slots()).current).toBe(old.digest);
  });

  it('that fails its self-test never runs', async () => {
    const { updater, slot } = boot();
    await updater.runActive();
    selfTest = () => Promise.reject(new AppError('RELEASE.SELF_TEST_FAILED', 'no'));
    desire(updater);
    await until(() => steps.at(-1) === 'FAILED RELEASE.SELF_TEST_FAILED');
    expect(slot.current?.digest).toBe(old.digest);
    expect((await storeOf().slots()).current).toBe(old.digest);
    await updater.stop();
  });

  it('begins without its journal when that is damaged: the store says what runs', async () => {
    writeFileSync(join(directory, 'update.json'), '{');
    const { updater, slot } = boot();
    await updater.runActive();
    expect(slot.current?.digest).toBe(old.digest);
    expect(updater.update).toBeUndefined();
  });
});

/** An agent that updates, and is killed as soon as a step is on the disk. */
const killedAt = `
  const [directory, step, oldDigest, newDigest] = process.argv.slice(1);
  const base = ${JSON.stringify(new URL('../../dist/', import.meta.url).href)};
  const load = (name) => import(new URL(name, base).href);
  const [{ ReleaseUpdater }, { UpdateJournal }, { DesiredVersionsFile }, { RecogniserSlot }] = await Promise.all(
    ['update/release-updater.js', 'update/update-journal.js', 'update/desired-versions.js', 'pipeline/recogniser-slot.js'].map(load));
  const { ReleaseStore } = await import(${JSON.stringify(import.meta.resolve('@sightline/release-trust'))});
  const { silentLogger, systemClock: clock } = await import(${JSON.stringify(import.meta.resolve('@sightline/kernel'))});
  const bundle = (digest) => ({ digest, manifest: { version: digest === oldDigest ? '1.0.0' : '1.1.0' } });
  const updater = new ReleaseUpdater({
    store: new ReleaseStore({ directory, clock, open: async (digest) => bundle(digest) }),
    slot: new RecogniserSlot(), clock, log: silentLogger, random: () => 0, onChange: () => undefined,
    journal: new UpdateJournal({ path: directory + '/update.json', clock, log: silentLogger,
      onStep: (state) => { if (state.step === step) process.kill(process.pid, 'SIGKILL'); } }),
    client: { download: async ({ digest }) => bundle(digest) },
    open: async ({ digest, manifest }) => ({ digest, version: manifest.version, recogniser: { close: async () => undefined } }),
    selfTest: async () => undefined,
    versions: new DesiredVersionsFile(directory + '/desired.json', silentLogger),
    policy: { jitterMs: 0, probationMs: 20, probationBoots: 2 }, failures: () => 0, repositoryUrl: '',
  });
  await updater.runActive();
  updater.desire({ version: 2n, releaseVersion: '1.1.0', releaseDigest: newDigest, repositoryUrl: '' });
  setTimeout(() => process.exit(3), 10_000);
`;

it.each([
  ['OFFERED', old],
  ['DOWNLOADING', old],
  ['VERIFIED', old],
  ['STAGED', old],
  ['SELF_TEST', old],
  ['ACTIVE', fresh],
  ['COMMITTED', fresh],
])('a SIGKILL at %s leaves one verified release, which the next start runs', async (step, expected) => {
  await storeOf().activate(old);
  const words = ['--input-type=module', '-e', killedAt, directory, step, old.digest, fresh.digest];
  const child = spawnSync(process.execPath, words, { encoding: 'utf8' });
  expect([child.signal, child.stderr]).toEqual(['SIGKILL', '']);
  expect(readFileSync(join(directory, 'update.json'), 'utf8')).toContain(step);
  const { updater, slot } = boot();
  await updater.runActive();
  expect(slot.current?.digest).toBe(expected.digest);
  // And it comes to its end.
  desire(updater);
  await until(() => updater.update?.step === 'COMMITTED', 3000);
  expect(slot.current?.digest).toBe(fresh.digest);
  await updater.stop();
});
