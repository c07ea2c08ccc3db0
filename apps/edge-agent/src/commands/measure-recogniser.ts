import type { VerifiedBundle } from '@sightline/contracts';
import type { Clock } from '@sightline/kernel';
import type { Face, Recogniser, StageMs } from '@sightline/recognition';
import type { TemplateProtector } from '@sightline/template-protection';
import type { Frame } from '@sightline/vision';

/** Of one stage, ms: of a frame for `detect`, of one face for the others. */
export interface StageFigures {
  readonly p50: number;
  readonly p95: number;
  readonly samples: number;
}

export interface RecognitionFigures {
  /** Null for a stage that did not run: the frame holds a drawn face, which not every detector takes for one. */
  readonly stageMs: Readonly<Record<keyof StageMs, StageFigures | null>>;
  readonly framesPerSecond: number;
  readonly embeddingsPerSecond: number;
}

export interface MeasureOptions {
  readonly bundle: VerifiedBundle;
  readonly recogniser: Recogniser;
  readonly protector: TemplateProtector;
  readonly frame: Frame;
  /** Calls at once: one for each thread keeps all of them busy. */
  readonly workers: number;
  /** For each of the two parts. */
  readonly milliseconds: number;
  readonly clock: Clock;
}

/** Warms up, then measures for a while: first frames through detection, then faces through embedding. */
export async function measureRecogniser(options: MeasureOptions): Promise<RecognitionFigures> {
  const { recogniser, protector, frame, bundle } = options;
  const samples: Record<keyof StageMs, number[]> = { detect: [], landmarks: [], align: [], embed: [] };
  const { faces } = await recogniser.detect(frame);
  const face = faces[0] ?? blankFace(bundle);
  const embedding = { protector, codec: 'int8' } as const;
  await recogniser.embed([face], embedding);
  const framesPerSecond = await perSecond(options, async () => {
    const { faces: found, stageMs } = await recogniser.detect(frame);
    samples.detect.push(stageMs.detect);
    for (const stage of found.length > 0 ? (['landmarks', 'align'] as const) : []) {
      samples[stage].push(stageMs[stage] / found.length);
    }
  });
  const embeddingsPerSecond = await perSecond(options, async () => {
    const { embedMs } = await recogniser.embed([face], embedding);
    samples.embed.push(embedMs);
  });
  const { detect, landmarks, align, embed } = samples;
  const stageMs = {
    detect: figures(detect),
    landmarks: figures(landmarks),
    align: figures(align),
    embed: figures(embed),
  };
  return { stageMs, framesPerSecond, embeddingsPerSecond };
}

/** A grey crop: an embedder takes as long for it as for a face. */
function blankFace({ manifest }: VerifiedBundle): Pick<Face, 'aligned' | 'quality'> {
  const { width, height } = manifest.embedder.spec.input;
  return { aligned: new Uint8Array(width * height * 3).fill(127), quality: 1 };
}

async function perSecond({ workers, milliseconds, clock }: MeasureOptions, call: () => Promise<void>): Promise<number> {
  const began = clock.monotonicMs();
  let calls = 0;
  const loop = async (): Promise<void> => {
    while (clock.monotonicMs() - began < milliseconds) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, loop));
  return round((calls * 1000) / (clock.monotonicMs() - began));
}

function figures(samples: readonly number[]): StageFigures | null {
  if (samples.length === 0) return null;
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (part: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
  return { p50: at(0.5), p95: at(0.95), samples: sorted.length };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
