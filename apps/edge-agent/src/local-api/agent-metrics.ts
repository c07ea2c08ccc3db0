import { Metrics, type MetricSample } from '@sightline/observability';

import type { EdgeAgentStatus } from '../agent-status.js';
import { describeActions } from '../actions/actions-metrics.js';
import { describeImages } from '../images/images-metrics.js';
import { describeCache } from '../cache/cache-metrics.js';
import type { RecognitionMeter } from '../operation/recognition-meter.js';

/** Seconds: from a small net on a fast box to a large one on a slow box. */
const STAGE_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

export interface AgentMetricsOptions {
  readonly status: () => EdgeAgentStatus;
  readonly meter: RecognitionMeter;
  readonly agentVersion: string;
}

type Read<Label extends string = never> = (status: EdgeAgentStatus) => Iterable<MetricSample<Label>>;

/** The metrics of an agent. Their labels name cameras, stages, codes, releases and providers, never people. */
export function agentMetrics(options: AgentMetricsOptions): Metrics {
  const metrics = new Metrics();
  describeProcess(metrics, options.agentVersion);
  const reading = <Label extends string>(read: Read<Label>) => ({ read: () => read(options.status()) });
  describeCameras(metrics, reading);
  describeRecognition(metrics, options.meter, reading);
  describeDelivery(metrics, reading);
  describeCache(metrics, () => options.status().cache);
  describeActions(metrics, () => options.status().actions);
  describeImages(metrics, () => options.status().images);
  describeHealth(metrics, reading);
  return metrics;
}

type Reading = <Label extends string>(
  read: Read<Label>,
) => {
  readonly read: () => Iterable<MetricSample<Label>>;
};

function describeProcess(metrics: Metrics, version: string): void {
  const labels = ['version', 'node', 'architecture'] as const;
  metrics.gauge({
    name: 'sightline_edge_build_info',
    help: 'Always 1; what runs is in the labels.',
    labels,
    read: () => [{ value: 1, labels: { version, node: process.version, architecture: process.arch } }],
  });
  metrics.gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, seconds since 1970.',
    read: () => [{ value: Date.now() / 1000 - process.uptime() }],
  });
  metrics.counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process, all threads; without FFmpeg.',
    read: () => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    },
  });
}

function describeCameras(metrics: Metrics, reading: Reading): void {
  const labels = ['camera'] as const;
  const perCamera = (value: (camera: EdgeAgentStatus['cameras'][number]) => number) =>
    reading(({ cameras }) => cameras.map((camera) => ({ value: value(camera), labels: { camera: camera.cameraId } })));
  metrics.counter({
    name: 'sightline_edge_frames_total',
    help: 'Frames that were looked at.',
    labels,
    ...perCamera(({ frames }) => frames),
  });
  metrics.counter({
    name: 'sightline_edge_dropped_frames_total',
    help: 'Frames that newer ones replaced while another was looked at.',
    labels,
    ...perCamera(({ droppedFrames }) => droppedFrames),
  });
  metrics.counter({
    name: 'sightline_edge_failed_frames_total',
    help: 'Frames in which recognition failed.',
    labels,
    ...perCamera(({ failedFrames }) => failedFrames),
  });
  metrics.counter({
    name: 'sightline_edge_sightings_total',
    help: 'Tracks that became sightings.',
    labels,
    ...perCamera(({ sightings }) => sightings),
  });
  metrics.gauge({
    name: 'sightline_edge_camera_up',
    help: '1 while frames come.',
    labels,
    ...perCamera(({ state, problem }) => Number(state === 'running' && problem === null)),
  });
  metrics.gauge({
    name: 'sightline_edge_camera_problem',
    help: '1 for the code of what keeps frames from coming.',
    labels: ['camera', 'code'],
    ...reading(({ cameras }) =>
      cameras.flatMap(({ cameraId, problem }) =>
        problem === null ? [] : [{ value: 1, labels: { camera: cameraId, code: problem } }],
      ),
    ),
  });
}

function describeRecognition(metrics: Metrics, meter: RecognitionMeter, reading: Reading): void {
  const observe = metrics.histogram({
    name: 'sightline_edge_stage_seconds',
    help: 'Time of a stage: of a frame for detect, of one face for the others.',
    labels: ['stage'],
    buckets: STAGE_BUCKETS,
  });
  meter.onStage((stage, ms) => observe(ms / 1000, { stage }));
  const counter = (name: string, help: string, count: keyof RecognitionMeter['counts']): void => {
    metrics.counter({ name, help, read: () => [{ value: meter.counts[count] }] });
  };
  counter('sightline_edge_detections_total', 'Faces that were found in frames.', 'detections');
  counter('sightline_edge_embeddings_total', 'Faces that were made templates.', 'embeddings');
  counter('sightline_edge_recognition_failures_total', 'Calls of the recogniser that failed.', 'failures');
  metrics.gauge({
    name: 'sightline_edge_release_info',
    help: '1 for the release that runs, with the execution provider really in use.',
    labels: ['release', 'digest', 'provider'],
    ...reading(({ release }) =>
      release
        ? [{ value: 1, labels: { release: release.version, digest: release.digest, provider: release.provider } }]
        : [],
    ),
  });
}

function describeDelivery(metrics: Metrics, reading: Reading): void {
  metrics.gauge({
    name: 'sightline_edge_uplink_connected',
    help: '1 while the broker is connected.',
    ...reading(({ connected }) => [{ value: Number(connected) }]),
  });
  metrics.gauge({
    name: 'sightline_edge_outbox_backlog_records',
    help: 'Records that the cloud has not acknowledged.',
    ...reading(({ outbox }) => [{ value: outbox.backlog }]),
  });
  metrics.counter({
    name: 'sightline_edge_outbox_records_total',
    help: 'Records of this outbox so far; it goes back when a new stream begins.',
    ...reading(({ outbox }) => [{ value: outbox.nextSequence - 1 }]),
  });
  metrics.gauge({
    name: 'sightline_edge_outbox_problem',
    help: '1 for the code of what keeps the outbox from storing.',
    labels: ['code'],
    ...reading(({ outbox: { problem } }) => (problem === null ? [] : [{ value: 1, labels: { code: problem } }])),
  });
  metrics.counter({
    name: 'sightline_edge_identifications_total',
    help: 'Answers of the cloud, by what became of them.',
    labels: ['outcome'],
    ...reading(({ identifications }) =>
      Object.entries(identifications).map(([outcome, value]) => ({ value: Number(value), labels: { outcome } })),
    ),
  });
}

function describeHealth(metrics: Metrics, reading: Reading): void {
  metrics.gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process, all threads; without FFmpeg.',
    read: () => [{ value: process.memoryUsage.rss() }],
  });
  metrics.gauge({
    name: 'sightline_edge_memory_ceiling_bytes',
    help: 'What memory.maximumMegabytes allows.',
    ...reading(({ memory }) => [{ value: memory.maximumMegabytes * 1024 * 1024 }]),
  });
  metrics.counter({
    name: 'sightline_edge_memory_reliefs_total',
    help: 'How often the recogniser was replaced at the memory ceiling.',
    ...reading(({ memory }) => [{ value: memory.reliefs }]),
  });
  metrics.counter({
    name: 'sightline_edge_runs_total',
    help: 'Starts of the agent on this data directory; runs that were not ended in order; ended at the memory ceiling.',
    labels: ['outcome'],
    ...reading(({ runs }) =>
      Object.entries(runs).map(([outcome, value]) => ({ value: Number(value), labels: { outcome } })),
    ),
  });
  metrics.gauge({
    name: 'sightline_edge_stuck',
    help: '1 for each part that should get on and does not; the watchdog ends the agent for it.',
    labels: ['part'],
    ...reading(({ stuck }) => stuck.map((part) => ({ value: 1, labels: { part } }))),
  });
}
