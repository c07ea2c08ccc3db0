import { cosine } from '@sightline/matching';
import { decodeTemplate, poolTemplates, type Template } from '@sightline/template-protection';

/** Of tracks that cannot be compared: they stay two. */
export const INCOMPARABLE = -1;

/**
 * How alike two tracks look: the cosine of their pooled templates, -1 to 1. {@link INCOMPARABLE} when one of them
 * has none, or when they come from two model spaces or template keys.
 */
export function trackLikeness(one: readonly Template[], other: readonly Template[]): number {
  const [first] = one;
  if (!first || other.length === 0) return INCOMPARABLE;
  const belongs = ({ spaceId, keyId }: Template): boolean => spaceId === first.spaceId && keyId === first.keyId;
  if (![...one, ...other].every(belongs)) return INCOMPARABLE;
  return cosine(decodeTemplate(poolTemplates(one)), decodeTemplate(poolTemplates(other)));
}
