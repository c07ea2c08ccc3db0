import { create } from '@bufbuild/protobuf';
import { IdentificationOutcome, LocalDecisionSchema } from '@sightline/contracts';
import { newPersonId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';
import { describe, expect, it } from 'vitest';

import { localDecision, localDiffers } from './local-decision.js';

const bar = { threshold: 0.4, falseMatchRate: 1e-3 };
const [ada, grace] = [newPersonId(), newPersonId()];
const wire = (changes: object) =>
  create(LocalDecisionSchema, { outcome: IdentificationOutcome.IDENTIFIED, personId: ada, score: 0.7, ...changes });
const identified = (personId: typeof ada): OpenSetDecision => ({ outcome: 'identified', personId, score: 0.8, ...bar });
const unknown: OpenSetDecision = { outcome: 'unknown', ...bar };

describe("a box's own decision", () => {
  it.each([
    ['is absent', undefined],
    ['names somebody by no id', wire({ personId: 'Ada' })],
    ['has a score that cannot be', wire({ score: 2 })],
    ['has no number for a score', wire({ score: Number.NaN })],
    ['was refused', wire({ outcome: IdentificationOutcome.REFUSED })],
    ['has an outcome of another time', wire({ outcome: 99 })],
  ])('counts as none when it %s', (_, message) => {
    expect(localDecision(message)).toBeUndefined();
  });

  it.each([
    ['the same person', wire({}), identified(ada), false],
    ['another person', wire({}), identified(grace), true],
    ['nobody', wire({}), unknown, true],
    [
      'nothing, for a reason',
      wire({}),
      { outcome: 'refused', refusalCode: 'TEMPLATE.INVALID', ...bar } as const,
      false,
    ],
    ['somebody whom the cache does not hold', wire({ outcome: IdentificationOutcome.UNKNOWN }), identified(ada), false],
  ])('where the cloud decided for %s', (_, message, decision, differs) => {
    expect(localDiffers(localDecision(message), decision)).toBe(differs);
  });
});
