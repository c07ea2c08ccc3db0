import { setTimeout as sleep } from 'node:timers/promises';

import type { Template } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { startTestDatabase } from '@sightline/database/testing';
import type { Mosquitto } from '@sightline/testing';

import { startDebianPostgres, type DebianPostgres } from '../../database/debian-postgres.js';
import { CloudProcess } from '../../ingest/cloud-process.js';
import { SimulatedBox, templateFrom } from '../../ingest/simulated-box.js';
import { significant } from '../statistics.js';
import { threadCpu, treeCpu } from './cpu.js';
import { statementFigures } from './statements.js';

export const TENANT = 'default' as TenantId;
const ADMIN_KEY = 'bench-admin-key-0123456789abcdef';
const DIMENSION = 512;
const PROBES = 2000;
/** Records of one batch: a box that has fallen behind sends several at once. */
const BATCH_RECORDS = 8;
/** Records that each box keeps waiting, so that it is never the one that is waited for. */
const BACKLOG = 2 * 4 * BATCH_RECORDS;

export interface LoadOptions {
  readonly mosquitto: Mosquitto;
  readonly service: { readonly username: string; readonly password: string };
  /** Everybody's password at the broker. */
  readonly password: string;
  readonly devices: readonly string[];
  readonly templates: number;
  /** Of each of the two measurements. */
  readonly seconds: number;
  readonly execArgv: readonly string[];
}

/** Sightings from MQTT to the committed decision, at saturation; and how long an answer takes at half of that. */
export async function measureLoad(options: LoadOptions) {
  const { mosquitto, service, templates } = options;
  const postgres = await startDebianPostgres(['shared_preload_libraries=pg_stat_statements']);
  const database = await startTestDatabase({ serverUrl: postgres.url });
  try {
    const cloud = await CloudProcess.start({
      ...{ databaseUrl: database.url, adminKey: ADMIN_KEY, dimension: DIMENSION, execArgv: options.execArgv },
      mqtt: { url: mosquitto.url, ...service },
      verbose: true,
    });
    try {
      await registerDevices(cloud, options.devices);
      console.error(`a gallery of ${templates} templates …`);
      const probes = await cloud.fillGallery({ templates, perPerson: 5, probes: PROBES });
      return await measure(options, { postgres, cloud, databaseUrl: database.url, probes: probes.map(templateFrom) });
    } finally {
      await cloud.stop();
    }
  } finally {
    await database.close();
    await postgres.stop();
  }
}

interface Running {
  readonly postgres: DebianPostgres;
  readonly cloud: CloudProcess;
  readonly databaseUrl: string;
  readonly probes: readonly Template[];
}

async function measure(options: LoadOptions, running: Running) {
  const answered = new Map<string, number>();
  let answers = 0;
  const boxes = await Promise.all(
    options.devices.map((deviceId) =>
      SimulatedBox.start({
        url: options.mosquitto.url,
        address: { tenantId: TENANT, deviceId: deviceId as DeviceId },
        password: options.password,
        batchRecords: BATCH_RECORDS,
        timeoutMs: 120_000,
        onIdentification: ({ sightingId }) => {
          answers += 1;
          answered.set(sightingId, performance.now());
        },
      }),
    ),
  );
  const load: Load = { ...running, boxes, mosquitto: options.mosquitto, answers: () => answers, answered };
  try {
    console.error('saturation …');
    const saturated = await saturate(load, options.seconds);
    await drain(boxes);
    answered.clear();
    console.error('half of it …');
    const answer = await pace(load, saturated.sightingsPerSecond / 2, options.seconds);
    return { ...saturated, answer };
  } finally {
    await Promise.all(boxes.map((box) => box.close()));
  }
}

interface Load extends Running {
  readonly boxes: readonly SimulatedBox[];
  readonly mosquitto: Mosquitto;
  readonly answers: () => number;
  /** When each sighting's decision came back, ms of the monotonic clock. */
  readonly answered: ReadonlyMap<string, number>;
}

async function saturate(load: Load, seconds: number) {
  let filling = true;
  const next = probeAfterProbe(load.probes);
  const fill = async (): Promise<void> => {
    while (filling) {
      for (const box of load.boxes) while (box.waiting < BACKLOG) box.record({ templates: [next()] });
      await sleep(5);
    }
  };
  const full = fill();
  await sleep(3000);
  await statementFigures(load.databaseUrl, true);
  const before = await snapshot(load);
  await sleep(1000 * seconds);
  const after = await snapshot(load);
  const statements = await statementFigures(load.databaseUrl, false);
  filling = false;
  await full;
  return { ...whereTimeGoes(before, after), statements };
}

async function snapshot({ cloud, postgres, mosquitto, answers }: Load) {
  const { stages } = await cloud.figures();
  const { main, others } = threadCpu(cloud.pid);
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    answers: answers(),
    stages,
    cpu: {
      'cloud-api, main thread': main,
      'cloud-api, gallery and other threads': others,
      postgresql: treeCpu(postgres.pid),
      mosquitto: treeCpu(mosquitto.pid),
      'the simulated boxes': (user + system) / 1e6,
    },
  };
}

type Snapshot = Awaited<ReturnType<typeof snapshot>>;

function whereTimeGoes(before: Snapshot, after: Snapshot) {
  const seconds = (after.atMs - before.atMs) / 1000;
  const sightings = after.answers - before.answers;
  const stage = (name: string): number => (after.stages[name] ?? 0) - (before.stages[name] ?? 0);
  const perSighting = (amount: number): number => significant((1000 * amount) / sightings);
  const groups = stage('groups');
  return {
    sightingsPerSecond: significant(sightings / seconds),
    /** CPU time of one sighting, ms, by part. */
    cpuMsPerSighting: Object.fromEntries(
      Object.entries(after.cpu).map(([part, used]) => [
        part,
        perSighting(used - before.cpu[part as keyof Snapshot['cpu']]),
      ]),
    ),
    /** Time of one group of batches in each stage, ms; decoding and answering of one batch. */
    stages: {
      decodeMsPerBatch: significant(stage('decodeMs') / stage('batches')),
      searchMsPerGroup: significant(stage('searchMs') / groups),
      storeMsPerGroup: significant(stage('storeMs') / groups),
      answerMsPerBatch: significant(stage('answerMs') / stage('batches')),
      batchesPerGroup: significant(stage('batches') / groups),
      recordsPerGroup: significant(stage('records') / groups),
      /** Of the time, how much each was under way: 1 is all of it. */
      searching: significant(stage('searchMs') / (1000 * seconds)),
      storing: significant(stage('storeMs') / (1000 * seconds)),
    },
  };
}

async function drain(boxes: readonly SimulatedBox[]): Promise<void> {
  while (boxes.some(({ waiting }) => waiting > 0)) await sleep(20);
}

/** Records one sighting after the other at a mean rate, at random moments and boxes, whatever the answers do. */
async function pace({ boxes, probes, answered }: Load, perSecond: number, seconds: number) {
  const sentAt = new Map<string, number>();
  const next = probeAfterProbe(probes);
  const startMs = performance.now();
  const endMs = startMs + 1000 * seconds;
  for (let dueMs = startMs; dueMs < endMs; dueMs += (-Math.log(1 - Math.random()) * 1000) / perSecond) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    const box = boxes[Math.floor(Math.random() * boxes.length)];
    // From when it was due: a load generator that falls behind does not make the answers look fast.
    if (box !== undefined) sentAt.set(box.record({ templates: [next()] }), dueMs);
  }
  await drain(boxes);
  await sleep(200);
  const latencies = [...sentAt].flatMap(([id, ms]) => {
    const at = answered.get(id);
    return at === undefined ? [] : [at - ms];
  });
  latencies.sort((a, b) => a - b);
  const quantile = (share: number): number =>
    significant(latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN);
  const figures = { p50Ms: quantile(0.5), p99Ms: quantile(0.99), perSecond: significant(perSecond) };
  return { ...figures, sightings: sentAt.size, unanswered: sentAt.size - latencies.length };
}

function probeAfterProbe(probes: readonly Template[]): () => Template {
  let index = 0;
  return () => {
    const probe = probes[index % probes.length];
    index += 1;
    if (probe === undefined) throw new Error('there are no probes');
    return probe;
  };
}

async function registerDevices(cloud: CloudProcess, devices: readonly string[]): Promise<void> {
  for (const id of devices) {
    const response = await fetch(`${cloud.url}/v1/devices`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id, siteId: 'lobby' }),
    });
    if (!response.ok) throw new Error(`a device could not be registered: ${response.status}`);
  }
}
