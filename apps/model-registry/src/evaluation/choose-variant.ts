import { z } from 'zod';

import type { EmbedderEvaluation } from './evaluation-report.js';

/** What a variant must reach before its speed counts. */
export interface AccuracyGate {
  /** Cosine with the parent, in the mean and of the lowest hundredth. */
  readonly meanCosine: number;
  readonly p1Cosine: number;
  /** Points of a hundred that the true accept rate at a false-match rate of 1e-4 may lie below the parent's. */
  readonly lostPoints: number;
}

/** The project's own targets for a quantised embedder. */
export const accuracyGate: AccuracyGate = { meanCosine: 0.99, p1Cosine: 0.98, lostPoints: 0.3 };

/** One way to make an embedder. */
export interface EmbedderVariant {
  readonly name: string;
  readonly digest: string;
  /** Whether the others were made from it: it needs no gate. */
  readonly isReference: boolean;
  readonly evaluation?: EmbedderEvaluation | undefined;
}

/** What boxes of one kind have measured of one variant. */
export interface MeasuredLatency {
  readonly deviceClass: string;
  readonly provider: string;
  readonly variantDigest: string;
  /** Median over the boxes, of one input. */
  readonly ms: number;
  readonly devices: number;
}

/** Which variant boxes of one kind should run, and why. */
export const variantChoiceSchema = z
  .object({
    deviceClass: z.string(),
    provider: z.string(),
    variantDigest: z.string(),
    variant: z.string(),
    reason: z.string(),
    candidates: z.array(
      z.object({
        variantDigest: z.string(),
        variant: z.string(),
        refusal: z.string().optional().describe('Why it may not be chosen.'),
        embedMs: z.number().optional().describe('As measured by boxes of this kind; absent where none has.'),
        devices: z.number().int().optional(),
      }),
    ),
  })
  .meta({ id: 'VariantChoice' });
export type VariantChoice = z.infer<typeof variantChoiceSchema>;

/**
 * Whether a variant is as good as what it was made from.
 *
 * @returns why not; undefined when it is
 */
export function gateRefusal(
  { isReference, evaluation }: EmbedderVariant,
  gate: AccuracyGate = accuracyGate,
): string | undefined {
  if (isReference) return undefined;
  if (evaluation?.agreement === undefined) return 'it was not evaluated against what it was made from';
  const { cosine, parent } = evaluation.agreement;
  if (cosine.mean < gate.meanCosine) return `its mean cosine, ${cosine.mean.toFixed(4)}, is below ${gate.meanCosine}`;
  if (cosine.p1 < gate.p1Cosine) return `its lowest hundredth, ${cosine.p1.toFixed(4)}, is below ${gate.p1Cosine}`;
  const at = (rates: readonly { readonly falseMatchRate: number; readonly trueAcceptRate: number }[]) =>
    rates.find(({ falseMatchRate }) => falseMatchRate === 1e-4)?.trueAcceptRate;
  const [before, after] = [at(parent), at(evaluation.operatingPoints)];
  if (before === undefined || after === undefined) return 'the data are too few to measure a false-match rate of 1e-4';
  const lost = 100 * (before - after);
  return lost > gate.lostPoints
    ? `it loses ${lost.toFixed(2)} points at a false-match rate of 1e-4; ${gate.lostPoints} are allowed`
    : undefined;
}

/**
 * The variant with the lowest measured latency among those that pass the gate, for each kind of box and provider that
 * has measured anything; the reference where it has measured none of those. A variant that no box of the kind has measured is never chosen, however fast it ought to be:
 * int8 is slower than fp32 on processors without dot products. Pure.
 *
 * @param variants of one model space, the reference among them
 */
export function chooseVariants(
  variants: readonly EmbedderVariant[],
  latencies: readonly MeasuredLatency[],
  gate: AccuracyGate = accuracyGate,
): VariantChoice[] {
  const classes = new Map<string, MeasuredLatency[]>();
  for (const latency of latencies) {
    const key = JSON.stringify([latency.deviceClass, latency.provider]);
    classes.set(key, [...(classes.get(key) ?? []), latency]);
  }
  return [...classes.values()].flatMap((own) => choiceOf(variants, own, gate) ?? []);
}

/** @param measured by boxes of one kind */
function choiceOf(
  variants: readonly EmbedderVariant[],
  measured: readonly MeasuredLatency[],
  gate: AccuracyGate,
): VariantChoice | undefined {
  const reference = variants.find(({ isReference }) => isReference);
  const [first] = measured;
  if (reference === undefined || first === undefined) return undefined;
  const candidates = variants.map((variant) => {
    const latency = measured.find(({ variantDigest }) => variantDigest === variant.digest);
    const refusal = gateRefusal(variant, gate);
    return {
      ...{ variantDigest: variant.digest, variant: variant.name },
      ...(refusal !== undefined && { refusal }),
      ...(latency && { embedMs: latency.ms, devices: latency.devices }),
    };
  });
  const [fastest, next] = candidates
    .filter(({ refusal, embedMs }) => refusal === undefined && embedMs !== undefined)
    .sort((one, other) => (one.embedMs ?? 0) - (other.embedMs ?? 0));
  const chosen = fastest ?? { variantDigest: reference.digest, variant: reference.name };
  return {
    ...{ deviceClass: first.deviceClass, provider: first.provider },
    ...{ variantDigest: chosen.variantDigest, variant: chosen.variant },
    reason: reasonFor(fastest?.embedMs, next),
    candidates,
  };
}

function reasonFor(ms: number | undefined, next: VariantChoice['candidates'][number] | undefined): string {
  if (ms === undefined) return 'Boxes of this kind have measured no variant that passes the accuracy gate.';
  if (next?.embedMs === undefined)
    return `The only one that passes the gate and was measured here: ${ms.toFixed(2)} ms a face.`;
  return `The fastest here of those that pass the gate: ${ms.toFixed(2)} ms a face; ${next.variant} takes ${next.embedMs.toFixed(2)}.`;
}
