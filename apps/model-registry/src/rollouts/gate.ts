import type { Bucket, Member, Rollout, Stage } from './rollout.js';

/**
 * How a stage stands:
 * - `empty`: nobody is in it, which is never a success
 * - `manual`: a person decides
 * - `waiting`: what is missing may still come
 * - `too-few`: everybody has an outcome, and they are fewer than it asks for
 * - `met`, `missed`: enough successes are there, or cannot be any more
 */
export const gates = ['empty', 'manual', 'waiting', 'too-few', 'met', 'missed'] as const;
export type Gate = (typeof gates)[number];

export type BucketCounts = Readonly<Record<Bucket, number>>;

/** How many members are in each bucket. */
export function countBuckets(members: readonly Pick<Member, 'bucket'>[]): BucketCounts {
  const counts = { ok: 0, failed: 0, silent: 0, rejected: 0, superseded: 0, withdrawn: 0, pending: 0 };
  for (const { bucket } of members) counts[bucket] += 1;
  return counts;
}

/** Those who have a say: whoever is left out, or in other hands, is neither a success nor a failure. */
export function countedOf({ ok, failed, silent, pending }: BucketCounts): number {
  return ok + failed + silent + pending;
}

/**
 * The members that the open stage is judged by: its own, and those of earlier stages that have fallen back since it
 * opened. A stage that brought nobody new is judged by all.
 */
export function judgedBy(
  { stage, stageStartedAtMs }: Pick<Rollout, 'stage' | 'stageStartedAtMs'>,
  members: readonly Member[],
): readonly Member[] {
  const relevant = members.filter(
    (member) =>
      member.stage === stage ||
      (member.fellBackAtMs !== undefined && member.fellBackAtMs >= stageStartedAtMs && member.bucket !== 'ok'),
  );
  return countedOf(countBuckets(relevant)) > 0 ? relevant : members;
}

/**
 * How the open stage stands. Exact: a share is a quotient of two counts, and equal to the one that was asked for or not;
 * pending devices are hoped for until their time is over.
 */
export function gateOf(stage: Stage | undefined, members: readonly Member[]): Gate {
  const counts = countBuckets(members);
  const all = countedOf(counts);
  if (all === 0) return 'empty';
  if (stage === undefined || stage.advance === 'manual') return 'manual';
  const { successShare, minimumDevices } = stage.advance;
  if ((counts.ok + counts.pending) / all < successShare) return 'missed';
  if (all - counts.pending >= minimumDevices && counts.ok / all >= successShare) return 'met';
  return counts.pending === 0 ? 'too-few' : 'waiting';
}
