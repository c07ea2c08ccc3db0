import { centredOn, normalisedAgainst } from './cohort.js';
import type { DataSet } from './data-set.js';
import type { EmbeddedImages } from './embed-images.js';
import { measure, type Measurement, type VectorsOf } from './measure.js';

/** One road, or several together: what it reaches and what it costs. */
export interface RoadRow {
  readonly road: string;
  /** From a decoded frame with one face to its embedding, medians of the stages, ms. */
  readonly probeMs: number;
  readonly enrolmentMs: number;
  readonly misses: number;
  readonly measured: Measurement;
}

type Side = 'probe' | 'mirrored';

/** Vectors of embedded images, by how each side's are made. */
export function vectorsOf({ faces }: EmbeddedImages, enrolled: Side, probe: Side): VectorsOf {
  return (image) => {
    const face = faces.get(image);
    return face && { enrolled: face[enrolled], probe: face[probe] };
  };
}

export function roadRow(
  road: string,
  data: DataSet,
  embedded: EmbeddedImages,
  { enrolled = 'probe', probe = 'probe' }: { readonly enrolled?: Side; readonly probe?: Side } = {},
): RoadRow {
  return {
    road,
    ...cost(embedded, enrolled, probe),
    misses: embedded.missed.length,
    measured: measure(data, vectorsOf(embedded, enrolled, probe)),
  };
}

/** Rows that need no further pass through the models: what is done with vectors that are there already. */
export function cohortRows(data: DataSet, embedded: EmbeddedImages, cohort: EmbeddedImages): RoadRow[] {
  const faces = [...cohort.faces.values()].map(({ probe }) => probe);
  const plain = vectorsOf(embedded, 'mirrored', 'probe');
  const common = { ...cost(embedded, 'mirrored', 'probe'), misses: embedded.missed.length };
  return [
    {
      road: 'default, s-norm against the calibration faces',
      ...common,
      measured: measure(data, normalisedAgainst(faces, plain)),
    },
    {
      road: 'default, mean of the calibration faces taken out',
      ...common,
      measured: measure(data, centredOn(faces, plain)),
    },
  ];
}

function cost({ stageMs }: EmbeddedImages, enrolled: Side, probe: Side) {
  const { detect, landmarks, align, embed, embedMirrored } = stageMs;
  const before = detect + landmarks + align;
  const of = (side: Side): number => before + (side === 'mirrored' ? embedMirrored : embed);
  return { probeMs: of(probe), enrolmentMs: of(enrolled) };
}
