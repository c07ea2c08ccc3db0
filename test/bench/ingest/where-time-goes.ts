import type { Mosquitto } from '@sightline/testing';

import type { DebianPostgres } from '../../database/debian-postgres.js';
import type { CloudProcess } from '../../ingest/cloud-process.js';
import { significant } from '../statistics.js';
import { threadCpu, treeCpu } from './cpu.js';

/** What runs, and how many sightings have been answered. */
export interface Running {
  readonly postgres: DebianPostgres;
  readonly mosquitto: Mosquitto;
  readonly cloud: CloudProcess;
  readonly answers: () => number;
}

/** Everything that is counted, at one moment. */
export async function snapshot({ cloud, postgres, mosquitto, answers }: Running) {
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

export type Snapshot = Awaited<ReturnType<typeof snapshot>>;

/** Sightings answered in a second between two moments. */
export function rateBetween(before: Snapshot, after: Snapshot): number {
  return (1000 * (after.answers - before.answers)) / (after.atMs - before.atMs);
}

/** CPU and wall time of one sighting, by part and by stage. */
export function whereTimeGoes(before: Snapshot, after: Snapshot) {
  const seconds = (after.atMs - before.atMs) / 1000;
  const sightings = after.answers - before.answers;
  const stage = (name: string): number => (after.stages[name] ?? 0) - (before.stages[name] ?? 0);
  const perSighting = (amount: number): number => significant((1000 * amount) / sightings);
  const spent = Object.entries(after.cpu).map(
    ([part, used]) => [part, used - before.cpu[part as keyof Snapshot['cpu']]] as const,
  );
  const groups = stage('groups');
  return {
    /** CPU time of one sighting, ms, by part. */
    cpuMsPerSighting: Object.fromEntries(spent.map(([part, used]) => [part, perSighting(used)])),
    /** Cores that were busy with any of it. */
    coresBusy: significant(spent.reduce((sum, [, used]) => sum + used, 0) / seconds),
    /** Time of one stored group in each stage, ms; decoding and answering of one batch. */
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
