import type {
  degradedRates,
  fusedRates,
  Measurement,
  qualityAgainstErrors,
} from '@sightline/model-registry/evaluation';
import type { RoadRow } from './road-rows.js';
import type { measureSeveralImages } from './several-images.js';

const twoDigits = (value: number | undefined): string => (value ?? Number.NaN).toFixed(2);

export function printOperatingPoints({ rates }: Measurement): void {
  console.table(
    rates.map(({ rate, tar, interval95, threshold, falseMatches, fitted, observedRate }) => ({
      FAR: rate,
      'TAR %': twoDigits(tar),
      '95 %': interval95 ? interval95.map(twoDigits).join('–') : '',
      threshold: threshold.toFixed(4),
      'false matches': falseMatches,
      rests: fitted ? 'on a fitted tail' : 'on counts',
      'FAR observed': observedRate.toExponential(1),
    })),
  );
}

export function printRoads(rows: readonly RoadRow[]): void {
  console.table(
    rows.map(({ road, probeMs, enrolmentMs, misses, measured }) => ({
      road,
      'acc %': twoDigits(measured.accuracy),
      ...Object.fromEntries(
        measured.rates.slice(0, 4).map(({ rate, tar }) => [`TAR ${rate}`, twoDigits(tar)] as const),
      ),
      'FNIR .01': twoDigits(measured.openSet['0.01']),
      '20 draws': twoDigits(measured.openSet20['0.01']?.mean),
      misses,
      'ms probe': twoDigits(probeMs),
      'ms enrol': twoDigits(enrolmentMs),
    })),
  );
}

export function printSeveralImages(
  rows: readonly ({ readonly name: string } & ReturnType<typeof measureSeveralImages>)[],
): void {
  console.table(
    rows.map(({ name, people, openSet, openSet20 }) => ({
      template: name,
      people,
      'FNIR .1': twoDigits(openSet['0.1']),
      'FNIR .01': twoDigits(openSet['0.01']),
      '20 draws .01': twoDigits(openSet20['0.01']?.mean),
    })),
  );
}

export function printDegraded(
  degraded: ReturnType<typeof degradedRates>,
  fused: ReturnType<typeof fusedRates>,
  quality: ReturnType<typeof qualityAgainstErrors>,
): void {
  console.table(
    degraded.map(({ name, tar, missedFaces, medianQuality }) => ({
      probes: name,
      'TAR 1e-3': twoDigits(tar),
      'no face': missedFaces,
      'median quality': twoDigits(medianQuality),
    })),
  );
  console.table(fused.map(({ name, tar }) => ({ 'a sighting of all bad shots': name, 'TAR 1e-3': twoDigits(tar) })));
  console.table(
    quality.steps.map(({ from, to, probes, notRecognised }) => ({
      quality: `${from.toFixed(1)}–${Math.min(1, to).toFixed(1)}`,
      probes,
      'not recognised %': twoDigits(notRecognised),
    })),
  );
}
