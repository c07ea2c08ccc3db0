import { create } from '@bufbuild/protobuf';
import {
  IdentificationOutcome,
  IdentificationSchema,
  SightingPhase,
  SightingSchema,
  type Identification,
  type Sighting,
} from '@sightline/contracts';
import { describe, expect, it } from 'vitest';

import { SightingDecisions } from './sighting-decisions.js';

const { IDENTIFIED, AMBIGUOUS, UNKNOWN, REFUSED } = IdentificationOutcome;
const ada = '0190b5f0-0000-7000-8000-00000000000a';
const bob = '0190b5f0-0000-7000-8000-00000000000b';

type SightingFields = Partial<Pick<Sighting, 'sightingId' | 'revision' | 'phase'>> & {
  readonly localDecision?: {
    readonly outcome: IdentificationOutcome;
    readonly personId: string;
    readonly score: number;
  };
  readonly presentationAttack?: {
    readonly liveScore: number;
    readonly shots: number;
    readonly requiredLiveScore: number;
  };
};
type IdentificationFields = Partial<Pick<Identification, 'sightingId' | 'revision' | 'outcome' | 'personId'>>;

const sighting = (fields: SightingFields = {}): Sighting =>
  create(SightingSchema, {
    sightingId: 's1',
    revision: 1,
    phase: SightingPhase.OPEN,
    cameraId: 'door',
    quality: 0.75,
    lastSeenAt: { bootId: 'boot', monotonicMs: 5000n },
    ...fields,
  });

const identification = (fields: IdentificationFields = {}): Identification =>
  create(IdentificationSchema, {
    sightingId: 's1',
    revision: 1,
    outcome: IDENTIFIED,
    personId: ada,
    score: 0.5,
    groups: ['staff'],
    ...fields,
  });

const local = (outcome: IdentificationOutcome, personId = ''): SightingFields => ({
  localDecision: { outcome, personId, score: 0.5 },
});

const decisions = (): SightingDecisions => new SightingDecisions((personId) => (personId === ada ? ['board'] : []));

describe('a decision to act upon', () => {
  it('is the box’s own when the sighting opens or is updated', () => {
    const expected = {
      ...{ sightingId: 's1', revision: 1, cameraId: 'door', outcome: 'identified', personId: ada, groups: ['board'] },
      ...{ score: 0.5, quality: 0.75, liveScore: undefined, source: 'local', capturedAtMonotonicMs: 5000 },
    };
    expect(decisions().recorded(sighting(local(IDENTIFIED, ada)))).toEqual(expected);
    expect(decisions().recorded(sighting({ ...local(UNKNOWN), phase: SightingPhase.UPDATE }))).toMatchObject({
      ...{ outcome: 'unknown', personId: undefined, groups: [] },
    });
  });

  it('is none when the person has left, or the box has not decided', () => {
    expect(decisions().recorded(sighting({ ...local(IDENTIFIED, ada), phase: SightingPhase.CLOSE }))).toBeUndefined();
    expect(decisions().recorded(sighting())).toBeUndefined();
    expect(decisions().recorded(sighting(local(REFUSED)))).toBeUndefined();
  });

  it('is the cloud’s about a revision that this box has recorded', () => {
    const made = decisions();
    made.recorded(sighting());
    expect(made.identified(identification())).toMatchObject({
      ...{ source: 'cloud', personId: ada, groups: ['staff'], cameraId: 'door', capturedAtMonotonicMs: 5000 },
    });
    expect(made.identified(identification({ revision: 2 }))).toBeUndefined();
    expect(made.identified(identification({ sightingId: 's2' }))).toBeUndefined();
    expect(made.identified(identification({ outcome: REFUSED, personId: '' }))).toBeUndefined();
  });

  it('is none when the cloud has answered about a later revision', () => {
    const made = decisions();
    made.recorded(sighting());
    made.recorded(sighting({ revision: 2, phase: SightingPhase.UPDATE }));
    expect(made.identified(identification({ revision: 2 }))).toMatchObject({ revision: 2 });
    expect(made.identified(identification({ outcome: UNKNOWN, personId: '' }))).toBeUndefined();
  });

  it('is none of the box’s once the cloud has decided otherwise: the cloud wins', () => {
    const made = decisions();
    made.recorded(sighting());
    made.identified(identification({ personId: bob }));
    const later = { revision: 2, phase: SightingPhase.UPDATE };
    expect(made.recorded(sighting({ ...later, ...local(IDENTIFIED, ada) }))).toBeUndefined();
    expect(made.recorded(sighting({ ...later, ...local(UNKNOWN) }))).toBeUndefined();
    expect(made.overruled).toBe(2);
    expect(made.recorded(sighting({ ...later, ...local(IDENTIFIED, bob) }))).toMatchObject({ personId: bob });
  });

  it('is none when the cloud cannot tell two people apart, and none of the box’s from then on', () => {
    const made = decisions();
    made.recorded(sighting());
    expect(made.identified(identification({ outcome: AMBIGUOUS, personId: '' }))).toBeUndefined();
    const later = { revision: 2, phase: SightingPhase.UPDATE };
    expect(made.recorded(sighting({ ...later, ...local(IDENTIFIED, ada) }))).toBeUndefined();
    expect(made.recorded(sighting({ ...later, ...local(AMBIGUOUS) }))).toBeUndefined();
    expect(made.overruled).toBe(1);
  });

  it('identifies nobody who did not look as alive as the camera requires, whoever says so', () => {
    const made = decisions();
    const required = (liveScore: number, shots: number): SightingFields => ({
      presentationAttack: { liveScore, shots, requiredLiveScore: 0.5 },
      ...local(IDENTIFIED, ada),
    });
    expect(made.recorded(sighting(required(0.4, 2)))).toBeUndefined();
    expect(made.identified(identification())).toBeUndefined();
    expect(made.recorded(sighting(required(0.9, 0)))).toBeUndefined();
    expect(made.recorded(sighting({ ...required(0.5, 1), revision: 2 }))).toMatchObject({ liveScore: 0.5 });
  });

  it('of a sighting without a time is older than anything', () => {
    const timeless = create(SightingSchema, { sightingId: 's1', phase: SightingPhase.OPEN, ...local(IDENTIFIED, ada) });
    expect(decisions().recorded(timeless)?.capturedAtMonotonicMs).toBe(-Infinity);
  });

  it('remembers a bounded number of sightings and revisions', () => {
    const made = decisions();
    for (let index = 0; index < 2001; index += 1) made.recorded(sighting({ sightingId: `s${index}` }));
    expect(made.identified(identification({ sightingId: 's0' }))).toBeUndefined();
    expect(made.identified(identification({ sightingId: 's1' }))).toBeDefined();
    for (let revision = 1; revision <= 33; revision += 1) made.recorded(sighting({ sightingId: 'x', revision }));
    expect(made.identified(identification({ sightingId: 'x', revision: 1 }))).toBeUndefined();
    expect(made.identified(identification({ sightingId: 'x', revision: 2 }))).toBeDefined();
  });
});
