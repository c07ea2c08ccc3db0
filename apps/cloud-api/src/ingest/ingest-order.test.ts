import type { Database } from '@sightline/database';
import {
  newSightingId,
  newStreamId,
  silentLogger,
  systemClock,
  type DeviceId,
  type SightingId,
  type TenantId,
} from '@sightline/kernel';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Identification, type SearchResult } from '../identification/identification.js';
import { untilStored } from '../storage/transient.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { gapPayload, momentAt, sightingPayload, batchPayload } from '../testing/test-device.js';
import { decodeBatch } from './decode-batch.js';
import { storeBatches, type SearchedBatch } from './ingest-store.js';

let cloud: TestCloud;
let database: Database;
/** What a search for a sighting without templates finds: the same for every record. */
let nothingFound: SearchResult;

beforeAll(async () => {
  cloud = await startTestCloud();
  ({ database } = cloud.api);
  const box = boxOf([{ kind: 'sighting', sighting: 0, revision: 1 }], []);
  const [record] = decodeBatch(addressOf(TENANT, 0), batchPayload(box.streamId, box.records), 0).records;
  if (record?.kind !== 'sighting') throw new Error('a sound record was refused');
  const [found] = await cloud.api.app.get(Identification).search([{ tenantId: TENANT, ...record.sighting }]);
  if (found === undefined) throw new Error('nothing was searched for');
  nothingFound = found;
});
afterAll(() => cloud.stop());

const addressOf = (tenantId: TenantId, device: number) => ({ tenantId, deviceId: `box-${device}` as DeviceId });

/** What a box recorded, in the order of its sequences, from 1. */
type Recorded =
  | { readonly kind: 'sighting'; readonly sighting: number; readonly revision: number }
  | { readonly kind: 'gap'; readonly covers: number }
  | { readonly kind: 'poison' };

const SIGHTINGS = 4;
const recorded = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('sighting' as const),
      sighting: fc.nat(SIGHTINGS - 1),
      revision: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('gap' as const), covers: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'poison' as const }) },
);
const stream = fc.array(recorded, { minLength: 1, maxLength: 12 });
/** Batches of one writer: of which stream, and which run of it. Runs overlap and come again. */
const run = fc.record({ stream: fc.nat(1), start: fc.nat(11), length: fc.integer({ min: 1, max: 6 }) });
/** Batches that one transaction takes together. */
const group = fc.array(run, { minLength: 1, maxLength: 3 });
const deliveries = fc.record({
  streams: fc.tuple(stream, stream),
  writers: fc.tuple(fc.array(group, { maxLength: 5 }), fc.array(group, { maxLength: 5 })),
});

interface Box {
  readonly streamId: string;
  readonly records: readonly { readonly sequence: number; readonly payload: Uint8Array }[];
}

/** Encodes each record once: what is sent again is the same bytes. A dropped run leaves a hole behind the gap. */
function boxOf(stream: readonly Recorded[], sightings: readonly SightingId[]): Box {
  let sequence = 0;
  const records = stream.map((record) => {
    sequence += 1;
    switch (record.kind) {
      case 'sighting': {
        const sightingId = sightings[record.sighting] ?? newSightingId();
        const moments = { firstSeenAt: momentAt(1000), lastSeenAt: momentAt(1000 + record.revision) };
        const changes = { sightingId, revision: record.revision, frames: record.revision, ...moments };
        return { sequence, payload: sightingPayload(changes) };
      }
      case 'gap': {
        const first = sequence;
        sequence += record.covers;
        return { sequence, payload: gapPayload(first, sequence) };
      }
      case 'poison':
        return { sequence, payload: Uint8Array.of(0xff, sequence) };
    }
  });
  return { streamId: newStreamId(), records };
}

function batchOf(tenantId: TenantId, device: number, box: Box, records: Box['records']): SearchedBatch {
  const payload = batchPayload(box.streamId, records);
  const batch = decodeBatch(addressOf(tenantId, device), payload, systemClock.wallMs());
  const found = batch.records.map(({ sequence }) => [sequence, nothingFound] as const);
  return { ...batch, searchMs: 1, results: new Map(found) };
}

async function newTenant(): Promise<TenantId> {
  const tenantId = `t-${newStreamId()}` as TenantId;
  const { pool } = database;
  await pool.query('INSERT INTO cloud.tenant (id, created_at) VALUES ($1, now())', [tenantId]);
  for (const device of [0, 1]) {
    await pool.query(
      `INSERT INTO cloud.device (tenant_id, id, site_id, password_sha256, created_at) VALUES ($1, $2, 'lobby', '', now())`,
      [tenantId, `box-${device}`],
    );
  }
  return tenantId;
}

async function store(batches: readonly SearchedBatch[]): Promise<void> {
  const options = { clock: systemClock, log: silentLogger, signal: new AbortController().signal, what: 'a group' };
  await untilStored(() => storeBatches(database, batches, systemClock), options);
}

/** Everything that ingest has stored for a tenant, but for when. */
async function stateOf(tenantId: TenantId): Promise<unknown> {
  const queries = [
    'SELECT device_id, stream_id, committed_through FROM cloud.ingest_stream',
    'SELECT device_id, stream_id, sequence, kind, sighting_id, revision FROM cloud.ingest_record',
    'SELECT device_id, stream_id, first_sequence, last_sequence, reason, lost_records FROM cloud.ingest_gap',
    'SELECT device_id, stream_id, sequence, code FROM cloud.quarantine',
    'SELECT id, device_id, phase, revision, frames, camera_id FROM cloud.sighting',
    'SELECT sighting_id, revision, outcome, refusal_code FROM cloud.identification',
  ];
  const results = await Promise.all(
    queries.map((query) => database.pool.query<object>(`${query} WHERE tenant_id = $1`, [tenantId])),
  );
  return results.map(({ rows }) => rows.map((row) => JSON.stringify(row)).sort());
}

describe('two processes that store the same streams', () => {
  it('end with what delivery in order ends with, however batches are cut, repeated, shuffled and mixed', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ streams, writers }) => {
        // Of one device each: a sighting belongs to the device that opened it.
        const boxes = streams.map((stream) => boxOf(stream, Array.from({ length: SIGHTINGS }, newSightingId)));
        const inOrder = await newTenant();
        for (const [device, box] of boxes.entries()) await store([batchOf(inOrder, device, box, box.records)]);

        const mixed = await newTenant();
        const write = async (groups: readonly (readonly { stream: number; start: number; length: number }[])[]) => {
          for (const group of groups) {
            const batches = group.flatMap(({ stream, start, length }) => {
              const box = boxes[stream];
              const records = box?.records.slice(start, start + length) ?? [];
              return box === undefined || records.length === 0 ? [] : [batchOf(mixed, stream, box, records)];
            });
            if (batches.length > 0) await store(batches);
          }
        };
        await Promise.all(writers.map(write));
        // What no writer has sent is sent again by the box, from the acknowledgement on.
        await Promise.all([0, 1].map((device) => write([[{ stream: device, start: 0, length: 20 }]])));
        expect(await stateOf(mixed)).toEqual(await stateOf(inOrder));
      }),
      { numRuns: 20, seed: 5 },
    );
  }, 60_000);
});
