import { mean } from '@sightline/matching';
import type { Recogniser } from '@sightline/recognition';
import { basename } from 'node:path';

import { dataSetDigest, readDataSet } from './data-set.js';
import type { PresentationAttackEvaluation } from './evaluation-report.js';
import type { EvaluationRequest } from './evaluation-request.js';
import { digestOf, openModels, variantOf, withModel, type EvaluationRun } from './evaluation-run.js';
import { livePeopleOf } from './presentation-attacks/live-people.js';
import { liveScoreOf, presentationsOf, PresentationScores } from './presentation-attacks/presentation-rates.js';

const PEOPLE = 100;
const DECISION = 0.5;

/** Scores living people, and attacks that are made of their photographs in code. */
export async function evaluatePresentationAttacks(
  request: EvaluationRequest,
  { signal, onProgress }: EvaluationRun,
): Promise<PresentationAttackEvaluation> {
  const data = await readDataSet(request.dataSetDirectory);
  const { models, parent, workers = 1 } = request;
  const options = { workers, presentationAttack: true };
  const scores = new PresentationScores();
  const twice: TwoScores[] = [];
  const recogniser = await openModels(models, options);
  let twin: Recogniser | undefined;
  try {
    if (parent) twin = await openModels(withModel(models, 'presentationAttack', parent), options);
    const people = await livePeopleOf(recogniser, data, PEOPLE);
    for (const [index, person] of people.entries()) {
      for (const [name, frame] of await presentationsOf(person, index + 1)) {
        signal.throwIfAborted();
        const score = await liveScoreOf(recogniser, frame);
        scores.add(name, score);
        const before = twin && (await liveScoreOf(twin, frame));
        if (score !== undefined && before !== undefined) twice.push({ before, after: score });
      }
      onProgress({ step: 'attacks', done: index + 1, total: people.length });
    }
  } finally {
    await Promise.all([recogniser.close(), twin?.close()]);
  }
  const { live, species, atThreshold, atBpcer } = scores.rates();
  return {
    task: 'presentationAttack',
    variantDigest: digestOf(variantOf(request)),
    dataSet: { name: basename(data.folder), digest: await dataSetDigest(data) },
    attacksAreSynthetic: true,
    live: { ...live },
    species: { ...species },
    atThreshold: atThreshold.map((rates) => ({ ...rates, apcer: { ...rates.apcer } })),
    atBpcer: atBpcer.map((rates) => ({ ...rates, apcer: { ...rates.apcer } })),
    ...(parent && { agreement: agreementOf(twice, digestOf(parent)) }),
  };
}

/** Of one presentation, by the parent and by the variant. */
interface TwoScores {
  readonly before: number;
  readonly after: number;
}

function agreementOf(twice: readonly TwoScores[], parentDigest: string): PresentationAttackEvaluation['agreement'] {
  const differences = twice.map(({ before, after }) => after - before);
  const changed = twice.filter(({ before, after }) => before >= DECISION !== after >= DECISION);
  return {
    parentDigest,
    presentations: twice.length,
    meanDifference: twice.length === 0 ? 0 : mean(differences),
    largestDifference: differences.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0),
    changedDecisions: twice.length === 0 ? 0 : changed.length / twice.length,
  };
}
