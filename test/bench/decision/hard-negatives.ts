import { searchPoint } from '@sightline/matching';

import type { Draw } from './draws.js';
import { personOf, type Scores } from './scores.js';

const MARGINS = [-0.05, 0, 0.05, 0.1, 0.15, 0.2];

/**
 * What a hard negative does: each stranger who is returned as somebody becomes one, and then the stranger's other
 * images and the person's own, as far as they reach the threshold, are held against it.
 *
 * @param falsePositiveRate at which strangers are returned: the higher, the more there are to learn from
 */
export function hardNegatives(scores: Scores, draws: readonly Draw[], falsePositiveRate: number) {
  const [ofStrangers, ofPeople]: [number[], number[]] = [[], []];
  for (const draw of draws) {
    const { threshold } = searchPoint(draw.points, { falseMatchRate: 1e-2, falsePositiveRate }, draw.enrolled.length);
    const enrolledOf = new Map(draw.enrolled.map((image) => [personOf(scores, image), image]));
    for (const { probe: negative, mated, nearest } of draw.searches) {
      const [first] = nearest;
      const enrolled = first && enrolledOf.get(first.personId);
      if (mated || first === undefined || first.score < threshold || enrolled === undefined) continue;
      const leadsOf = (identity: number | undefined) =>
        (scores.imagesOf[identity ?? -1] ?? [])
          .filter((image) => image !== negative && image !== enrolled && scores.score(image, enrolled) >= threshold)
          .map((image) => scores.between(image, negative) - scores.score(image, enrolled));
      ofStrangers.push(...leadsOf(scores.identityOf[negative]));
      ofPeople.push(...leadsOf(scores.identityOf[enrolled]));
    }
  }
  const share = (leads: readonly number[], margin: number): number =>
    (100 * leads.filter((lead) => lead > margin).length) / leads.length;
  return {
    ...{ falsePositiveRate, size: draws[0]?.enrolled.length ?? 0 },
    ...{ strangersAgain: ofStrangers.length, peopleAgain: ofPeople.length },
    margins: MARGINS.map((margin) => ({
      ...{ margin, strangersRefuted: share(ofStrangers, margin), peopleRefuted: share(ofPeople, margin) },
    })),
  };
}
