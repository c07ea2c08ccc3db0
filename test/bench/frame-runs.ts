import type { VerifiedBundle } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { openRecogniser, type Face, type Recogniser, type StageMs } from '@sightline/recognition';
import { createTemplateProtector, type TemplateProtector } from '@sightline/template-protection';
import type { Frame } from '@sightline/vision';

import { processCpuMs } from './statistics.js';

export interface FrameRun {
  readonly ms: number;
  readonly templates: number;
  /** What the recogniser itself measured of it. */
  readonly stageMs: StageMs;
}

/** Runs of one frame, one after the other. */
export interface RepeatedRuns {
  readonly runs: readonly FrameRun[];
  /** CPU time of the whole process a run, ms. */
  readonly cpuMs: number;
}

export const times = (runs: readonly FrameRun[]): readonly number[] => runs.map(({ ms }) => ms);

/** Frames through the public recogniser: decoded frame in, protected templates out. */
export class FrameRuns {
  readonly #recogniser: Recogniser;
  readonly #protector: TemplateProtector;

  private constructor(recogniser: Recogniser, protector: TemplateProtector) {
    this.#recogniser = recogniser;
    this.#protector = protector;
  }

  static async open(bundle: VerifiedBundle, workers: number): Promise<FrameRuns> {
    const recogniser = await openRecogniser({ bundle, workers });
    const secret = new Uint8Array(32).fill(7);
    const key = { secret, tenantId: 'bench' as TenantId, epoch: 1, dimension: recogniser.dimension };
    return new FrameRuns(recogniser, createTemplateProtector(key));
  }

  async faces(frame: Frame): Promise<readonly Face[]> {
    return (await this.#recogniser.detect(frame)).faces;
  }

  async run(frame: Frame): Promise<FrameRun> {
    const began = performance.now();
    const { faces, stageMs } = await this.#recogniser.detect(frame);
    const { templates, embedMs } = await this.#recogniser.embed(faces, { protector: this.#protector, codec: 'int8' });
    const ms = performance.now() - began;
    return { ms, templates: templates.length, stageMs: { ...stageMs, embed: embedMs } };
  }

  async repeat(frame: Frame, count: number): Promise<RepeatedRuns> {
    const runs: FrameRun[] = [];
    const before = processCpuMs();
    while (runs.length < count) runs.push(await this.run(frame));
    return { runs, cpuMs: (processCpuMs() - before) / count };
  }

  /**
   * Keeps the workers busy with one frame over and over.
   *
   * @param inFlight frames that are under way at a time
   * @param durationMs after which no further frame is begun
   * @returns faces a second
   */
  async throughput(frame: Frame, inFlight: number, durationMs: number): Promise<number> {
    const began = performance.now();
    let faces = 0;
    const work = async (): Promise<void> => {
      while (performance.now() - began < durationMs) faces += (await this.run(frame)).templates;
    };
    await Promise.all(Array.from({ length: inFlight }, work));
    return (1000 * faces) / (performance.now() - began);
  }

  close(): Promise<void> {
    return this.#recogniser.close();
  }
}
