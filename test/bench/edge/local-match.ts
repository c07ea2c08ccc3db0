import { create, fromBinary } from '@bufbuild/protobuf';
import { DeviceTimeSchema, GalleryDeltaSchema } from '@sightline/contracts';
import { composeCache } from '@sightline/edge-agent';
import { newPersonId, seededIntegers, silentLogger, type Sha256, type SpaceId } from '@sightline/kernel';
import { encodeTemplate, templateKeyId, type Template } from '@sightline/template-protection';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { galleryDelta, provisioningOf, templateKey } from '../../edge/local-people.js';
import { median, percentile, processCpuMs, significant } from '../statistics.js';

const TEMPLATES = 10_000;
const DIMENSION = 512;
const SHOTS = 3;
const WARM_UP = 200;
const MATCHES = 3000;

export interface LocalMatchReport {
  /** Wall time of one decision on the thread that makes it: pooling three shots, the search, the open-set rule. */
  readonly p99Ms: number;
  readonly p50Ms: number;
  readonly maximumMs: number;
  /** A loop that does nothing, as long as the median decision, by the same clock in turns with the decisions: what the machine adds. */
  readonly idleP99Ms: number;
  readonly idleMaximumMs: number;
  /** Processor time of one decision, on average: what other programs leave alone. */
  readonly cpuMs: number;
  /** Checking, sealing and writing all people down. */
  readonly fillMs: number;
  /** Opening a full cache at a start. */
  readonly openMs: number;
  readonly templates: number;
}

/** A box's own decision among 10,000 templates of 512 components: half of the probes are of people whom it knows. */
export async function measureLocalMatch(): Promise<LocalMatchReport> {
  const directory = await mkdtemp(join(tmpdir(), 'sightline-bench-'));
  try {
    const face = faces();
    const people = Array.from({ length: TEMPLATES }, (_, number) => {
      return { personId: newPersonId(), groups: [], template: face(number, 0) };
    });
    const empty = await open(directory);
    const fill = await timed(async () => empty.take(fromBinary(GalleryDeltaSchema, galleryDelta(people, Date.now()))));
    if (fill.result.error !== '') throw new Error(`the cache was not filled: ${fill.result.error}`);
    empty.close();
    const { result: cache, ms: openMs } = await timed(() => open(directory));
    // Made beforehand: their garbage is none of a decision's.
    const probes = Array.from({ length: WARM_UP + MATCHES }, (_, number): Probe => {
      const who = number % 2 === 0 ? (number * 31) % TEMPLATES : TEMPLATES + number;
      return { personId: people[who]?.personId ?? '', templates: shotsOf(who, face) };
    });
    const { times, idleTimes, cpuMs } = measure(cache, probes);
    cache.close();
    return {
      p99Ms: significant(percentile(times, 0.99)),
      p50Ms: significant(median(times)),
      maximumMs: significant(Math.max(...times)),
      idleP99Ms: significant(percentile(idleTimes, 0.99)),
      idleMaximumMs: significant(Math.max(...idleTimes)),
      cpuMs: significant(cpuMs / times.length),
      fillMs: significant(fill.ms),
      openMs: significant(openMs),
      templates: TEMPLATES,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Probe {
  /** Who is to be named; '': nobody. */
  readonly personId: string;
  readonly templates: readonly Template[];
}

function shotsOf(person: number, face: (person: number, shot: number) => Template): Template[] {
  return Array.from({ length: SHOTS }, (_, shot) => face(person, shot + 1));
}

/** Decisions in turns with loops that do nothing, for as long as the decisions before them took in the middle. */
function measure(cache: Awaited<ReturnType<typeof open>>, probes: readonly Probe[]) {
  const [times, idleTimes]: [number[], number[]] = [[], []];
  const warmUpTimes: number[] = [];
  let [cpuMs, spinMs] = [0, 0];
  probes.forEach(({ personId, templates }, number) => {
    const [startedAt, cpuBefore] = [performance.now(), processCpuMs()];
    const decision = cache.decide({ sightingId: String(number), revision: 1, templates });
    const took = performance.now() - startedAt;
    if (decision?.personId !== personId) throw new Error('the box decided wrongly');
    if (number < WARM_UP) {
      warmUpTimes.push(took);
      spinMs = median(warmUpTimes);
      return;
    }
    cpuMs += processCpuMs() - cpuBefore;
    times.push(took);
    idleTimes.push(spin(spinMs));
  });
  return { times, idleTimes, cpuMs };
}

/** Looks at the clock until so much time has passed. @returns how long that took, ms */
function spin(ms: number): number {
  const startedAt = performance.now();
  let now = startedAt;
  while (now - startedAt < ms) now = performance.now();
  return now - startedAt;
}

const spaceId = 'bench-space' as SpaceId;
const keyId = templateKeyId(templateKey);

async function open(dataDirectory: string) {
  const cache = await composeCache({
    config: { enabled: true, maximumTemplates: TEMPLATES, falseMatchRate: 1e-4, falsePositiveRate: 0.01 },
    dataDirectory,
    provisioning: provisioningOf({ url: '', username: '', password: '' }),
    keyId: () => keyId,
    running: () => ({
      recogniser: { spaceId, dimension: DIMENSION },
      protector: { keyId },
      calibration: [
        { falseMatchRate: 1e-5, threshold: 0.5 },
        { falseMatchRate: 1e-3, threshold: 0.3 },
      ],
    }),
    trustedTime: { nowMs: () => Date.now(), observe: () => undefined },
    deviceClock: { deviceTime: () => create(DeviceTimeSchema) },
    log: silentLogger,
  });
  if (!cache) throw new Error('there is no cache');
  return cache;
}

/** Shots of made-up people: two of one person have a cosine of about 0.8, two people of about 0. */
function faces(): (person: number, shot: number) => Template {
  const variantDigest = '0'.repeat(64) as Sha256;
  return (person, shot) => {
    const [own, noise] = [components(person), components(1_000_000 + 8 * person + shot)];
    const vector = own.map((component, index) => component + 0.5 * (noise[index] ?? 0));
    return encodeTemplate(vector, { spaceId, keyId, variantDigest, codec: 'int8', quality: 0.8 });
  };
}

/** Sums of uniform numbers: near enough to a bell curve. */
function components(seed: number): Float32Array {
  const below = seededIntegers(seed);
  return Float32Array.from({ length: DIMENSION }, () => below(1001) + below(1001) + below(1001) - 1500);
}

async function timed<Result>(work: () => Promise<Result>): Promise<{ readonly result: Result; readonly ms: number }> {
  const startedAt = performance.now();
  const result = await work();
  return { result, ms: performance.now() - startedAt };
}
