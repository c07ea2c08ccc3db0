import {
  type DataSet,
  type EmbeddedImages,
  measure,
  type Measurement,
  type VectorsOf,
} from '@sightline/model-registry/evaluation';
import { normalisedAgainst } from './cohort.js';

/** One road, or several together: what it reaches and what it costs. */
export interface RoadRow {
  readonly road: string;
  /** From a decoded frame with one face to its embedding, medians of the stages, ms. */
  readonly probeMs: number;
  readonly enrolmentMs: number;
  readonly misses: number;
  readonly measured: Measurement;
}

type Side = 'probe' | 'enrolled';

/** How the vectors of each side are made: one view of a face, or several. Default: one. */
export interface Sides {
  readonly enrolled?: Side;
  readonly probe?: Side;
}

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
  { enrolled = 'probe', probe = 'probe' }: Sides = {},
): RoadRow {
  return {
    road,
    ...cost(embedded, enrolled, probe),
    misses: embedded.missed.length,
    measured: measure(data, vectorsOf(embedded, enrolled, probe)),
  };
}

/** Score normalisation needs no further pass of the images through the models. */
export function normalisedRow(data: DataSet, embedded: EmbeddedImages, cohort: EmbeddedImages): RoadRow {
  const faces = [...cohort.faces.values()].map(({ probe }) => probe);
  return {
    road: 'default, s-norm against the calibration faces',
    ...cost(embedded, 'enrolled', 'probe'),
    misses: embedded.missed.length,
    measured: measure(data, normalisedAgainst(faces, vectorsOf(embedded, 'enrolled', 'probe'))),
  };
}

function cost({ stageMs }: EmbeddedImages, enrolled: Side, probe: Side) {
  const { detect, landmarks, align, embed, embedViews } = stageMs;
  const before = detect + landmarks + align;
  const of = (side: Side): number => before + (side === 'enrolled' ? embedViews : embed);
  return { probeMs: of(probe), enrolmentMs: of(enrolled) };
}
