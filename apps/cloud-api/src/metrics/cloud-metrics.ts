import type { Jobs } from '@sightline/jobs';
import { Metrics, type Exposition } from '@sightline/observability';
import { Inject, Injectable } from '@nestjs/common';

import { DeviceLink } from '../devices/device-link.js';
import { GalleryStates } from '../identification/gallery-states.js';
import { Ingest } from '../ingest/ingest.js';
import { JOBS } from '../platform/tokens.js';

/** Seconds: from a look-up by id to a photo that waits for its turn. */
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A request that was answered. */
export interface AnsweredRequest {
  readonly method: string;
  /** The route's pattern, never the address: that may hold anything. Undefined: no route. */
  readonly route: string | undefined;
  readonly status: number;
  readonly seconds: number;
}

/**
 * The metrics of this process. Labels are routes, stages, kinds of jobs and of galleries: what a tenant, a box or a client
 * writes is in none of them, so that nobody can make more of them.
 */
@Injectable()
export class CloudMetrics {
  readonly #metrics = new Metrics();
  readonly #observe: (value: number, labels: Readonly<Record<'method' | 'route' | 'status', string>>) => void;

  constructor(ingest: Ingest, galleries: GalleryStates, @Inject(JOBS) jobs: Pick<Jobs, 'activity'>, link: DeviceLink) {
    this.#observe = this.#metrics.histogram({
      name: 'sightline_cloud_request_seconds',
      help: 'Time until a request was answered, by route and class of status. A stream counts when it ends.',
      labels: ['method', 'route', 'status'],
      buckets: REQUEST_BUCKETS,
    });
    describeProcess(this.#metrics);
    describeIngest(this.#metrics, ingest);
    describeGalleries(this.#metrics, galleries);
    describeJobs(this.#metrics, jobs);
    this.#metrics.gauge({
      name: 'sightline_cloud_broker_connected',
      help: '1 while there is a connection to the broker.',
      read: () => [{ value: link.connected ? 1 : 0 }],
    });
  }

  /** Takes note of a request. Methods that no route has count together. */
  answered({ method, route = 'none', status, seconds }: AnsweredRequest): void {
    const known = route === 'none' ? 'any' : method;
    this.#observe(seconds, { method: known, route, status: `${Math.floor(status / 100)}xx` });
  }

  expose(): Promise<Exposition> {
    return this.#metrics.expose();
  }
}

function describeProcess(metrics: Metrics): void {
  metrics.gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process.',
    read: () => [{ value: process.memoryUsage.rss() }],
  });
  metrics.counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process, all threads.',
    read: () => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    },
  });
}

function describeIngest(metrics: Metrics, ingest: Ingest): void {
  metrics.counter({
    name: 'sightline_cloud_ingest_records_total',
    help: 'Records of boxes that were committed.',
    read: () => [{ value: ingest.stages.records }],
  });
  metrics.counter({
    name: 'sightline_cloud_ingest_batches_total',
    help: 'Batches of boxes that were committed.',
    read: () => [{ value: ingest.stages.batches }],
  });
  metrics.counter({
    name: 'sightline_cloud_ingest_stage_seconds_total',
    help: 'Time in each stage of ingest; stages run beside one another.',
    labels: ['stage'],
    read: () => {
      const { decodeMs, searchMs, storeMs, answerMs } = ingest.stages;
      const stages = { decode: decodeMs, search: searchMs, store: storeMs, answer: answerMs };
      return Object.entries(stages).map(([stage, ms]) => ({ value: ms / 1000, labels: { stage } }));
    },
  });
  metrics.gauge({
    name: 'sightline_cloud_ingest_waiting_batches',
    help: 'Batches that wait for a search or a commit.',
    read: () => [{ value: ingest.waiting }],
  });
}

function describeGalleries(metrics: Metrics, galleries: GalleryStates): void {
  metrics.gauge({
    name: 'sightline_cloud_gallery_version',
    help: 'The newest change of the gallery, in the database.',
    read: async () => [{ value: (await galleries.read()).version }],
  });
  metrics.gauge({
    name: 'sightline_cloud_gallery_behind_changes',
    help: 'How far the slowest gallery of each kind is behind the database, in changes.',
    labels: ['kind'],
    read: async () => {
      const slowest = new Map<string, number>();
      for (const { kind, behind } of (await galleries.read()).followers) {
        slowest.set(kind, Math.max(behind, slowest.get(kind) ?? 0));
      }
      return [...slowest].map(([kind, value]) => ({ value, labels: { kind } }));
    },
  });
  metrics.gauge({
    name: 'sightline_cloud_gallery_templates',
    help: 'Enrolled templates of all tenants, as PostgreSQL estimates them.',
    read: async () => [{ value: await galleries.templates() }],
  });
}

function describeJobs(metrics: Metrics, jobs: Pick<Jobs, 'activity'>): void {
  metrics.gauge({
    name: 'sightline_cloud_jobs_running',
    help: 'Jobs that run in this process.',
    labels: ['kind'],
    read: () => jobs.activity().map(({ kind, running }) => ({ value: running, labels: { kind } })),
  });
  metrics.counter({
    name: 'sightline_cloud_job_runs_total',
    help: 'Runs of jobs that ended in this process.',
    labels: ['kind', 'outcome'],
    read: () =>
      jobs.activity().flatMap(({ kind, succeeded, failed }) => [
        { value: succeeded, labels: { kind, outcome: 'succeeded' } },
        { value: failed, labels: { kind, outcome: 'failed' } },
      ]),
  });
}
