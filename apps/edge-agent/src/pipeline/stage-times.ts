import { create } from '@bufbuild/protobuf';
import { StageDurationsSchema, type StageDurations } from '@sightline/contracts';
import type { StageMs } from '@sightline/recognition';

/** Samples of one stage that are kept: enough for a steady median, bounded for a person who stays all day. */
const SAMPLE_LIMIT = 64;

type Stage = keyof StageMs | 'presentation';

/** Medians of how long the stages took for one sighting. */
export class StageTimes {
  readonly #samples: Readonly<Record<Stage, number[]>> = {
    detect: [],
    landmarks: [],
    align: [],
    embed: [],
    presentation: [],
  };

  add(stage: Stage, ms: number): void {
    const samples = this.#samples[stage];
    samples.push(ms);
    if (samples.length > SAMPLE_LIMIT) samples.shift();
  }

  /** In ms; 0 for a stage that never ran. */
  medians(): StageDurations {
    const { detect, landmarks, align, embed, presentation } = this.#samples;
    return create(StageDurationsSchema, {
      detect: median(detect),
      landmarks: median(landmarks),
      align: median(align),
      embed: median(embed),
      presentation: median(presentation),
    });
  }
}

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
