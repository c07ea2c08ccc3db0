import { IdentificationOutcome, SightingPhase, type Identification, type Sighting } from '@sightline/contracts';
import type { PersonId, SightingId } from '@sightline/kernel';

import type { Decision } from './decision.js';

/** What is known of one revision of a sighting, while its identification may come. */
interface RevisionFacts {
  readonly seen: Pick<Decision, 'cameraId' | 'quality' | 'liveScore' | 'capturedAtMonotonicMs'>;
  /** Its camera required a live presentation, and it did not look like one. */
  readonly isRejected: boolean;
}

interface Answer extends Pick<Decision, 'revision' | 'personId'> {
  readonly outcome: Decision['outcome'] | 'ambiguous';
}

interface KnownSighting {
  readonly revisions: Map<number, RevisionFacts>;
  /** The cloud's latest word. */
  cloud?: Answer;
}

/** Sightings that are remembered, and revisions of each: more than can be young enough to act upon. */
const SIGHTING_LIMIT = 2000;
const REVISION_LIMIT = 32;

const outcomes: Readonly<Partial<Record<IdentificationOutcome, Answer['outcome']>>> = {
  [IdentificationOutcome.IDENTIFIED]: 'identified',
  [IdentificationOutcome.UNKNOWN]: 'unknown',
  [IdentificationOutcome.AMBIGUOUS]: 'ambiguous',
};

/**
 * Makes decisions to act upon of what the box records and of what the cloud answers.
 *
 * Invariants: the cloud wins — once it has decided about a sighting, a local decision that says otherwise is none;
 * an answer about an earlier revision than the last that was answered is none; a sighting that this boot has not
 * recorded is decided by nobody; one that is ambiguous is nothing to act upon, as a person and as a stranger; nobody is identified who did not look as alive as the camera requires, whoever
 * says so.
 */
export class SightingDecisions {
  readonly #groupsOf: (personId: PersonId) => readonly string[];
  readonly #sightings = new Map<string, KnownSighting>();
  #overruled = 0;

  /** @param groupsOf the groups of a person in the local cache */
  constructor(groupsOf: (personId: PersonId) => readonly string[]) {
    this.#groupsOf = groupsOf;
  }

  /** Local decisions that came after the cloud had decided otherwise. */
  get overruled(): number {
    return this.#overruled;
  }

  /**
   * Takes a revision that is about to be stored.
   *
   * @returns what the box itself decided, if it did; a closing revision is nothing to act upon: the person is gone
   */
  recorded(sighting: Sighting): Decision | undefined {
    const facts = this.#remember(sighting);
    const { localDecision, phase, revision } = sighting;
    const outcome = localDecision && outcomes[localDecision.outcome];
    if (!outcome || outcome === 'ambiguous' || phase === SightingPhase.CLOSE) return undefined;
    if (outcome === 'identified' && facts.isRejected) return undefined;
    const personId = personOf(localDecision.personId);
    const cloud = this.#sightings.get(sighting.sightingId)?.cloud;
    if (cloud && (cloud.outcome !== outcome || cloud.personId !== personId)) {
      this.#overruled += 1;
      return undefined;
    }
    return {
      ...facts.seen,
      sightingId: sighting.sightingId as SightingId,
      ...{ revision, outcome, personId },
      groups: personId === undefined ? [] : this.#groupsOf(personId),
      score: localDecision.score,
      source: 'local',
    };
  }

  /**
   * Takes an identification that came in time.
   *
   * @returns undefined when nothing was decided for sure, or nothing is known of the revision, or a later one was answered
   */
  identified({ sightingId, revision, ...answer }: Identification): Decision | undefined {
    const outcome = outcomes[answer.outcome];
    const sighting = this.#sightings.get(sightingId);
    const facts = sighting?.revisions.get(revision);
    if (!outcome || !sighting || !facts || (sighting.cloud?.revision ?? 0) > revision) return undefined;
    const personId = personOf(answer.personId);
    sighting.cloud = { revision, outcome, personId };
    if (outcome === 'ambiguous' || (outcome === 'identified' && facts.isRejected)) return undefined;
    return {
      ...facts.seen,
      sightingId: sightingId as SightingId,
      ...{ revision, outcome, personId },
      groups: answer.groups,
      score: answer.score,
      source: 'cloud',
    };
  }

  #remember(sighting: Sighting): RevisionFacts {
    const { sightingId, cameraId, quality, presentationAttack, lastSeenAt } = sighting;
    const liveScore = presentationAttack?.shots ? presentationAttack.liveScore : undefined;
    const required = presentationAttack?.requiredLiveScore ?? 0;
    const facts: RevisionFacts = {
      seen: {
        ...{ cameraId, quality, liveScore },
        // Without a time it is older than anything that may be acted upon.
        capturedAtMonotonicMs: lastSeenAt ? Number(lastSeenAt.monotonicMs) : -Infinity,
      },
      isRejected: required > 0 && (liveScore ?? -1) < required,
    };
    const known = this.#sightings.get(sightingId) ?? { revisions: new Map<number, RevisionFacts>() };
    known.revisions.set(sighting.revision, facts);
    dropOldest(known.revisions, REVISION_LIMIT);
    this.#sightings.set(sightingId, known);
    dropOldest(this.#sightings, SIGHTING_LIMIT);
    return facts;
  }
}

function personOf(id: string): PersonId | undefined {
  return id === '' ? undefined : (id as PersonId);
}

/** Keeps the entries that were made last. */
function dropOldest(entries: Map<unknown, unknown>, limit: number): void {
  const [oldest] = entries.keys();
  if (entries.size > limit) entries.delete(oldest);
}
