import { quantiseModel, storeInHalfPrecision, type ProofInput } from '@sightline/model-tools';

import { significant } from '../statistics.js';
import type { SubjectSpec } from './subjects.js';

/** What a variant is made of. */
export interface VariantSource {
  readonly imported: Uint8Array;
  /** Calibration inputs, made anew each time. */
  readonly calibration: () => Iterable<ProofInput>;
  /** The variants that come before this one in the table, by their keys. */
  readonly made: ReadonlyMap<string, Uint8Array>;
}

export interface MadeVariant {
  readonly bytes: Uint8Array;
  /** What the report says of the making. */
  readonly notes?: object;
}

export interface VariantMaker {
  /** As in the report's keys. */
  readonly key: string;
  /** Of the only models that it is made of; undefined: of all. */
  readonly task?: SubjectSpec['task'];
  readonly make: (source: VariantSource) => MadeVariant | Promise<MadeVariant>;
}

/** All that is made of each imported model, in this order. */
export const variants: readonly VariantMaker[] = [
  { key: 'imported', make: ({ imported }) => ({ bytes: imported }) },
  { key: 'fp16', make: ({ imported }) => storedAsHalf(imported) },
  { key: 'int8', make: quantised },
];

function storedAsHalf(imported: Uint8Array): MadeVariant {
  const { bytes, report } = storeInHalfPrecision(imported);
  return { bytes, notes: { ...report } };
}

async function quantised({ imported, calibration }: VariantSource): Promise<MadeVariant> {
  const began = performance.now();
  const { bytes, report } = await quantiseModel(imported, { inputs: calibration });
  const { keptFloat, layers, fused, digest } = report;
  return {
    bytes,
    notes: {
      calibration: {
        inputs: report.calibration.inputs,
        seconds: significant((performance.now() - began) / 1000),
        /** Of the whole process so far, its worker threads and the calibration images among it. */
        peakMebibytes: Math.round(process.resourceUsage().maxRSS / 1024),
      },
      ...{ digest, layers, keptFloat, fused: fused.layers },
    },
  };
}
