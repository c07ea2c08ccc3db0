import type { DeviceAddress, DeviceBenchmark, DeviceBirth } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { isSha256 } from '@sightline/kernel';
import { z } from 'zod';

/** What boxes of one kind make of one release, on one execution provider. */
export const classBenchmarkSchema = z
  .object({
    deviceClass: z.string().describe('Architecture, processor and cores.'),
    releaseDigest: z.string(),
    provider: z.string().describe('Execution provider that the models really ran on.'),
    devices: z.number().int().describe('How many boxes have measured it, with nothing else running.'),
    detectMs: z.number().describe('Median over the boxes, of a frame.'),
    embedMs: z.number().describe('Median over the boxes, of a face.'),
    framesPerSecond: z.number(),
    embeddingsPerSecond: z.number(),
  })
  .meta({ id: 'ClassBenchmark' });
export type ClassBenchmark = z.infer<typeof classBenchmarkSchema>;

export const classBenchmarkListSchema = z
  .object({ items: z.array(classBenchmarkSchema) })
  .meta({ id: 'ClassBenchmarkList' });

/** A box says of itself what it likes: no longer than this. */
const LABEL_LIMIT = 100;
const LIST_LIMIT = 1000;

/** What `sightline-edge-agent bench` has measured on the fleet, by kind of box. Boxes tell it with their births. */
export class DeviceBenchmarks {
  readonly #pool: Database['pool'];

  constructor(database: Pick<Database, 'pool'>) {
    this.#pool = database.pool;
  }

  /**
   * Keeps the measurement of a birth, if it has a usable one that is newer than what is known. Idempotent.
   *
   * @throws AppError `DATABASE.UNAVAILABLE` (retryable)
   */
  async take({ tenantId, deviceId }: DeviceAddress, birth: DeviceBirth): Promise<void> {
    const { benchmark } = birth;
    if (!benchmark || !isUsable(benchmark)) return;
    const { releaseDigest, provider, workers, besideAgent, measuredWallMs } = benchmark;
    const { detectMs, embedMs, framesPerSecond, embeddingsPerSecond } = benchmark;
    const deviceClass = deviceClassOf(birth);
    await this.#pool.query(
      `INSERT INTO registry.device_benchmark VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
       ON CONFLICT (tenant_id, device_id, release_digest, provider) DO UPDATE SET
         device_class = excluded.device_class, workers = excluded.workers, beside_agent = excluded.beside_agent,
         detect_ms = excluded.detect_ms, embed_ms = excluded.embed_ms,
         frames_per_second = excluded.frames_per_second, embeddings_per_second = excluded.embeddings_per_second,
         measured_at = excluded.measured_at
       WHERE excluded.measured_at > device_benchmark.measured_at`,
      [
        ...[tenantId, deviceId, releaseDigest, provider.slice(0, LABEL_LIMIT), deviceClass, workers, besideAgent],
        ...[detectMs, embedMs, framesPerSecond, embeddingsPerSecond, new Date(Number(measuredWallMs))],
      ],
    );
  }

  /** Medians over the boxes of a class. Boxes that did something else meanwhile are left out. */
  async byClass(): Promise<readonly ClassBenchmark[]> {
    const median = (column: string): string => `percentile_cont(0.5) WITHIN GROUP (ORDER BY ${column})`;
    const { rows } = await this.#pool.query(
      `SELECT device_class AS "deviceClass", release_digest AS "releaseDigest", provider,
         count(*)::integer AS devices, ${median('detect_ms')} AS "detectMs", ${median('embed_ms')} AS "embedMs",
         ${median('frames_per_second')} AS "framesPerSecond",
         ${median('embeddings_per_second')} AS "embeddingsPerSecond"
       FROM registry.device_benchmark WHERE NOT beside_agent
       GROUP BY device_class, release_digest, provider
       ORDER BY max(measured_at) DESC LIMIT ${LIST_LIMIT}`,
    );
    return z.array(classBenchmarkSchema).parse(rows);
  }
}

/**
 * What kind of box it is: architecture, processor and cores, by its own benchmark; the architecture alone where it has
 * measured nothing yet.
 */
export function deviceClassOf({ architecture, benchmark }: DeviceBirth): string {
  const isKnown = benchmark !== undefined && isUsable(benchmark);
  const name = isKnown ? `${architecture} ${benchmark.processor}` : architecture;
  const label = name.replaceAll('\0', '').slice(0, LABEL_LIMIT);
  return isKnown ? `${label} x${benchmark.cores}` : label || 'unknown';
}

function isUsable({ releaseDigest, measuredWallMs, ...figures }: DeviceBenchmark): boolean {
  const { detectMs, embedMs, framesPerSecond, embeddingsPerSecond } = figures;
  const numbers = [detectMs, embedMs, framesPerSecond, embeddingsPerSecond];
  const isDate = measuredWallMs > 0n && measuredWallMs < 8_640_000_000_000_000n;
  const hasLabels = !`${figures.provider}${figures.processor}`.includes('\0');
  return (
    isSha256(releaseDigest) && isDate && hasLabels && numbers.every((value) => Number.isFinite(value) && value >= 0)
  );
}
