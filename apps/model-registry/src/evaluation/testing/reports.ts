import type { DetectionEvaluation, EmbedderEvaluation, PresentationAttackEvaluation } from '../evaluation-report.js';

const dataSet = { name: 'invented', digest: 'd'.repeat(64), images: 300, identities: 100, withoutFace: 1 };

/** Figures that nobody has measured: for tests. */
export function embedderReport(change: Partial<EmbedderEvaluation> = {}): EmbedderEvaluation {
  const rates = [
    { falseMatchRate: 1e-2, trueAcceptRate: 0.99 },
    { falseMatchRate: 1e-3, trueAcceptRate: 0.98 },
    { falseMatchRate: 1e-4, trueAcceptRate: 0.96 },
  ];
  const shift = { pairs: 100, mean: -0.001, deviation: 0.004, kolmogorovSmirnov: 0.02 };
  return {
    task: 'embedder',
    variantDigest: 'a'.repeat(64),
    dataSet,
    genuinePairs: 200,
    impostorPairs: 44_000,
    accuracy: 0.993,
    operatingPoints: rates.map((rate, at) => ({
      ...rate,
      threshold: 0.2 + at / 10,
      falseMatches: [440, 44, 4][at] ?? 0,
      fitted: at === 2,
      observedRate: rate.falseMatchRate,
      ...(at < 2 && { interval95: [rate.trueAcceptRate - 0.01, rate.trueAcceptRate + 0.005] as [number, number] }),
    })),
    roc: [{ falseMatchRate: 1, trueAcceptRate: 1 }, ...rates].map((rate, at) => ({ ...rate, threshold: at / 10 })),
    openSet: [{ falsePositiveRate: 0.01, falseNegativeRate: 0.05, draws: { mean: 0.04, deviation: 0.01 } }],
    scores: { from: -1, to: 1, genuine: [0, 0, 1, 9], impostor: [1, 30, 5, 0] },
    agreement: {
      parentDigest: 'b'.repeat(64),
      faces: 300,
      cosine: { mean: 0.992, p1: 0.981, min: 0.96, histogram: { from: 0.96, to: 1, counts: [1, 9, 90] } },
      genuine: shift,
      impostor: shift,
      parent: rates,
      mixed: rates,
    },
    subgroups: [
      {
        label: 'glasses',
        value: 'yes',
        identities: 20,
        genuinePairs: 0,
        rates: [{ falseMatchRate: 1e-3, trueAcceptRate: null, impostorPairs: 0, falseMatches: 0, observedRate: null }],
      },
    ],
    degraded: [{ name: 'JPEG of quality 10', withoutFace: 0, trueAcceptRate: 0.94, medianQuality: 0.7 }],
    calibration: {
      variantDigest: 'a'.repeat(64),
      dataSet: 'invented',
      impostorPairs: 44_000,
      points: [
        { falseMatchRate: 1e-2, threshold: 0.2 },
        { falseMatchRate: 1e-3, threshold: 0.3 },
      ],
    },
    embedMs: 3,
    ...change,
  };
}

export const detectionReport: DetectionEvaluation = {
  task: 'detector',
  variantDigest: 'a'.repeat(64),
  dataSet,
  recall: 0.999,
  furtherFaces: 12,
  medianQuality: 0.8,
  agreement: {
    parentDigest: 'b'.repeat(64),
    foundByBoth: 299,
    foundByParentAlone: 1,
    foundByVariantAlone: 0,
    overlap: { mean: 0.98, p1: 0.94, min: 0.8 },
    pointShift: { mean: 0.004, p99: 0.02, max: 0.05 },
  },
  detectMs: 2,
};

const atThreshold = { threshold: 0.5, bpcer: 0.4, worstApcer: 0.6, apcer: { 'print, close': 0.6 } };

export const presentationReport: PresentationAttackEvaluation = {
  task: 'presentationAttack',
  variantDigest: 'a'.repeat(64),
  dataSet: { name: 'invented', digest: 'd'.repeat(64) },
  attacksAreSynthetic: true,
  live: { people: 100, noFace: 0, medianScore: 0.7 },
  species: { 'print, close': { presentations: 100, noFace: 2, medianScore: 0.5, areaUnderCurve: 0.7 } },
  atThreshold: [atThreshold],
  atBpcer: [0.05, 0.1, 0.2].map((bpcerWanted) => ({ bpcerWanted, ...atThreshold })),
  agreement: {
    parentDigest: 'b'.repeat(64),
    presentations: 900,
    meanDifference: 0.001,
    largestDifference: 0.08,
    changedDecisions: 0.02,
  },
};
