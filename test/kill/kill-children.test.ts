import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { rest } from '@sightline/contracts';
import { silentLogger, type PersonId } from '@sightline/kernel';
import {
  CloudClient,
  enrolCast,
  openWorkspace,
  passOf,
  prepareEdgeProcess,
  readTruth,
  startHubProcess,
  type DemoWorkspace,
  type RunningEdge,
  type RunningHub,
} from '@sightline/standalone';
import { modelStoreDirectory } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readOutbox } from './outbox-file.js';
import { postmastersOf } from './processes.js';

const KILLS = 10;
/** A sighting is recorded so long after its person was shown, at most: later kills cannot take it away. */
const RECORDED_WITHIN_MS = 3_000;

describe('SIGKILL while sightings flow', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sightline-kill-'));
  const agentKilledAt: number[] = [];
  let workspace: DemoWorkspace;
  let hub: RunningHub;
  let edge: RunningEdge;
  let client: CloudClient;
  let enrolled: ReadonlyMap<string, PersonId>;

  beforeAll(async () => {
    workspace = await openWorkspace(join(directory, 'data'), silentLogger);
    const signal = new AbortController().signal;
    hub = await startHubProcess(workspace, { modelStoreDirectory, falseMatchRate: 1e-4, log: silentLogger, signal });
    client = new CloudClient(hub.ready.apiUrl, hub.adminKey);
    enrolled = await enrolCast(client);
    edge = await prepareEdgeProcess(workspace, client, { seed: 7, loop: true, log: silentLogger });
    edge.process.start();
    await newSightings();
  });

  afterAll(async () => {
    await edge.process.stop();
    await hub.process.stop();
    await workspace.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('loses nothing and counts nothing twice when the hub and the agent are killed ten times each', async () => {
    for (let kill = 0; kill < KILLS; kill += 1) {
      for (const { process: child } of [hub, edge]) {
        if (child === edge.process) agentKilledAt.push(Date.now());
        process.kill(child.pid ?? 0, 'SIGKILL');
        await newSightings();
        expect(postmastersOf(workspace.path('postgres'))).toHaveLength(1);
      }
    }
    expect(hub.process.restarts).toBe(KILLS);
    expect(edge.process.restarts).toBe(KILLS);

    await edge.process.stop();
    const outbox = readOutbox(edge.outboxPath);
    expect(outbox).toMatchObject({ recordsLeft: 0, openSightings: 0, acknowledgedThrough: outbox.lastSequence });

    const sightings = await allSightings();
    expect(new Set(sightings.map(({ id }) => id)).size).toBe(sightings.length);
    expect(sightings.filter(({ phase }) => phase !== 'close')).toEqual([]);
    expect(await passesWithoutOneSighting(sightings)).toEqual([]);
  }, 400_000);

  async function allSightings(): Promise<readonly rest.Sighting[]> {
    const sightings: rest.Sighting[] = [];
    for await (const sighting of client.sightings()) sightings.push(sighting);
    return sightings;
  }

  /** Waits until a sighting that begins from now on is in the cloud: everything runs again. */
  async function newSightings(): Promise<void> {
    const since = Date.now();
    for (;;) {
      try {
        for await (const sighting of client.sightings()) {
          if (Date.parse(sighting.firstSeenAt) > since) return;
          break;
        }
      } catch {
        // The hub is away.
      }
      if (Date.now() - since > 60_000) throw new Error('no new sighting within a minute');
      await sleep(100);
    }
  }

  /** Passes that no death of the agent can have touched and that do not have exactly one sighting. */
  async function passesWithoutOneSighting(sightings: readonly rest.Sighting[]): Promise<readonly object[]> {
    const passes = await readTruth(edge.truthPath, enrolled);
    const counts = new Map<string, number>();
    for (const { id, decision, firstSeenAt, lastSeenAt } of sightings) {
      const [firstSeenMs, lastSeenMs] = [Date.parse(firstSeenAt), Date.parse(lastSeenAt)];
      const pass = passOf({ id, firstSeenMs, lastSeenMs, outcome: decision.outcome, personId: null }, passes);
      if (pass) counts.set(pass.passId, (counts.get(pass.passId) ?? 0) + 1);
    }
    const untouched = passes.filter(
      ({ complete, startMs, endMs }) =>
        complete && !agentKilledAt.some((at) => at >= startMs && at <= endMs + RECORDED_WITHIN_MS),
    );
    expect(untouched.length).toBeGreaterThan(KILLS);
    return untouched.flatMap((pass) => {
      const count = counts.get(pass.passId) ?? 0;
      return count === 1 ? [] : [{ ...pass, sightings: count }];
    });
  }
});
