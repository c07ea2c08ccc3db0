import { inputSpecSchema, provenanceSchema } from '@sightline/contracts';
import { z } from 'zod';

import { evaluationReportSchema, type EvaluationReport } from '../evaluation-report.js';

const latencySchema = z.object({
  deviceClass: z.string(),
  provider: z.string().describe('Execution provider that it really ran on.'),
  devices: z.number().int().describe('How many boxes have measured it.'),
  ms: z.number().describe('Median over the boxes.'),
});

/** What somebody has to know who decides whether to use a model. */
export const modelCardSchema = z
  .object({
    formatVersion: z.literal(1),
    generatedAt: z.iso.datetime(),
    model: z.object({
      name: z.string(),
      task: z.enum(['detector', 'landmarks', 'embedder', 'presentationAttack']),
      variant: z.string().describe('How it was made: "fp32", "int8" …'),
      digest: z.string().describe('SHA-256 of the file.'),
      bytes: z.number().int(),
      input: inputSpecSchema,
      dimension: z.number().int().optional().describe('Of the embeddings.'),
    }),
    provenance: provenanceSchema,
    intendedUse: z.array(z.string()),
    limits: z.array(z.string()),
    unstated: z.array(z.string()).describe('What nobody has said or measured.'),
    evaluation: evaluationReportSchema.optional(),
    latency: z.array(latencySchema).describe("By kind of box, from the boxes' own measurements."),
  })
  .meta({ id: 'ModelCard' });
export type ModelCard = z.infer<typeof modelCardSchema>;

/** What a card is written from. */
export type ModelCardFacts = Pick<ModelCard, 'model' | 'provenance' | 'latency'> & {
  readonly evaluation?: EvaluationReport | undefined;
  /** Wall time, ms. */
  readonly nowMs: number;
};

/** Writes a card: the facts, and what follows of them. Pure: the same facts give the same card. */
export function modelCard({ model, provenance, evaluation, latency, nowMs }: ModelCardFacts): ModelCard {
  return {
    formatVersion: 1,
    generatedAt: new Date(nowMs).toISOString(),
    model,
    provenance,
    intendedUse: intendedUse[model.task],
    limits: [...limits[model.task], ...generalLimits],
    unstated: unstated(provenance, latency, evaluation),
    ...(evaluation && { evaluation }),
    latency,
  };
}

type Task = ModelCard['model']['task'];

const intendedUse: Readonly<Record<Task, string[]>> = {
  detector: ['Finding faces in the pictures of a fixed camera, as the first stage of a release.'],
  landmarks: ['Finding five points of a face that was detected, so that it can be aligned.'],
  embedder: [
    'Comparing faces of people who were enrolled, with "unknown" as an answer, at thresholds calibrated for this very variant.',
    'Only together with the pre-processing of its release, and only against templates of the same model space.',
  ],
  presentationAttack: ['Reporting how live a face looks, beside other protection.'],
};

const limits: Readonly<Record<Task, string[]>> = {
  detector: ['Small, turned and covered faces are found less often than the figures below say.'],
  landmarks: ['Points of covered or strongly turned faces are guesses.'],
  embedder: [
    'Thresholds hold for pictures like those of the data set. Calibrate on the cameras of the site before a decision has consequences.',
    'Error rates differ between people. Without labels in the data set nothing is known of by how much.',
    'A template can be turned back into a face: it is biometric data, never anonymous.',
  ],
  presentationAttack: [
    'Attacks were made in code from photographs. Nothing is known of real screens, prints, masks, make-up or injected video.',
    'Not enough by itself to open a door by.',
  ],
};

const generalLimits = [
  'Not for inferring emotions, ethnicity or character, and not for decisions that no person looks at.',
];

function unstated(
  { licence, trainingData, source }: ModelCard['provenance'],
  latency: ModelCard['latency'],
  evaluation: EvaluationReport | undefined,
): string[] {
  const isUnstated = (value: string): boolean => value === '' || /^(unstated|unknown|none)$/i.test(value);
  const isEmbedder = evaluation?.task === 'embedder';
  return [
    ...(isUnstated(trainingData) ? ['What it was trained on, and whether those people agreed.'] : []),
    ...(isUnstated(licence) ? ['Under which licence it may be used.'] : []),
    ...(isUnstated(source) ? ['Where it comes from.'] : []),
    ...(evaluation === undefined ? ['How well it works: nobody has evaluated it here.'] : []),
    ...(isEmbedder && evaluation.subgroups.length === 0
      ? ['How it works for parts of the people (age, sex, skin): the data set has no labels.']
      : []),
    ...(isEmbedder && evaluation.calibration === undefined
      ? ['Thresholds: the data set is too small to count false matches at two rates.']
      : []),
    ...(latency.length === 0 ? ['How fast it is on any kind of box: none has measured it.'] : []),
  ];
}
