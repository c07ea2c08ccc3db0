import type { Agreement } from '../agreement.js';

/** When to give layers back to floats. */
export interface FloatFallback {
  /** Layers are given back until the mean cosine of every output reaches this, −1 to 1. */
  readonly mean: number;
  /** At most so many. */
  readonly mostLayers: number;
}

/** A layer that stayed float. */
export interface FloatLayer {
  /** The value that it computes. */
  readonly layer: string;
  /** Mean cosine with this layer alone in floats. */
  readonly alone: number;
  /** Mean cosine with this layer and all before it in the list in floats. */
  readonly together: number;
}

interface Search {
  readonly layers: readonly string[];
  /** How well the model agrees with its parent when these layers stay float. */
  readonly tryWith: (keptFloat: ReadonlySet<string>) => Promise<Agreement>;
  readonly signal?: AbortSignal | undefined;
  /** Called after each trial. */
  readonly onTrial?: (() => void) | undefined;
}

/** The lowest of the outputs' mean cosines. */
function meanCosine({ outputs }: Agreement): number {
  return Math.min(...outputs.map(({ mean }) => mean));
}

/**
 * Sensitivity analysis: each layer is tried alone in floats, and those that help most are given back, one after
 * the other, while the agreement wanted is not reached.
 *
 * @returns in the order in which they were given back; none when the agreement is reached without
 */
export async function layersToKeepFloat(
  { mean, mostLayers }: FloatFallback,
  { layers, tryWith, signal, onTrial }: Search,
): Promise<readonly FloatLayer[]> {
  const trial = async (kept: readonly string[]): Promise<number> => {
    signal?.throwIfAborted();
    const reached = meanCosine(await tryWith(new Set(kept)));
    onTrial?.();
    return reached;
  };
  if (mostLayers === 0 || (await trial([])) >= mean) return [];
  const ranked: { layer: string; alone: number }[] = [];
  for (const layer of layers) ranked.push({ layer, alone: await trial([layer]) });
  ranked.sort((one, other) => other.alone - one.alone);
  const kept: FloatLayer[] = [];
  for (const { layer, alone } of ranked.slice(0, mostLayers)) {
    const together = await trial([...kept.map((before) => before.layer), layer]);
    kept.push({ layer, alone, together });
    if (together >= mean) break;
  }
  return kept;
}
