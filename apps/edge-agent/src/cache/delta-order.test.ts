import type { GalleryDelta } from '@sightline/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { CacheBox } from '../testing/cache-box.js';
import { cachedPerson, personId } from '../testing/cache-fixtures.js';

const PEOPLE = 5;

interface Operation {
  readonly kind: 'put' | 'drop' | 'erase' | 'anew';
  readonly person: number;
}

/** What the box must hold once it has taken everything up to here: people, with a mark of their last change. */
interface Step {
  readonly delta: GalleryDelta;
  readonly cacheId: string;
  readonly from: number;
  readonly version: number;
  readonly holds: ReadonlyMap<number, string>;
  readonly erases: number | undefined;
}

/** The cloud's life: each operation makes a delta; one that begins anew sends everybody who is left. */
function script(box: CacheBox, operations: readonly Operation[]): readonly Step[] {
  let [cache, version] = [1, 0];
  let holds = new Map<number, string>();
  const erased = new Set<number>();
  return operations.map(({ kind, person }, index): Step => {
    const mark = `change ${index}`;
    const lease = { issuedAtMs: BigInt(index + 1), expiresAtMs: 10n ** 15n };
    holds = new Map(holds);
    if (kind === 'put' && !erased.has(person)) holds.set(person, mark);
    if (kind === 'drop' || kind === 'erase') holds.delete(person);
    if (kind === 'erase') erased.add(person);
    if (kind === 'anew') [cache, version] = [cache + 1, 0];
    const sends = kind === 'anew' ? [...holds] : [...holds].filter(([, its]) => its === mark);
    const [from, cacheId] = [version, `cache-${cache}`];
    version += 1;
    const tombstone = { personId: personId(person), erasureId: kind === 'erase' ? mark : '' };
    const delta = box.signer.delta({
      ...{ cacheId, lease, fromVersion: BigInt(from), toVersion: BigInt(version) },
      tombstones: kind === 'drop' || kind === 'erase' ? [tombstone] : [],
      people: sends.map(([number, its]) => cachedPerson(number, { groups: [its] })),
    });
    return { delta, cacheId, from, version, holds, erases: kind === 'erase' ? person : undefined };
  });
}

function held(box: CacheBox): ReadonlyMap<number, string> {
  const people = Array.from(
    { length: PEOPLE },
    (_, number) => [number, box.cache.groupsOf(personId(number))[0]] as const,
  );
  return new Map(people.flatMap(([number, mark]) => (mark === undefined ? [] : [[number, mark]])));
}

const operation = fc.record({
  kind: fc.constantFrom<Operation['kind'][]>('put', 'put', 'put', 'drop', 'erase', 'anew'),
  person: fc.nat({ max: PEOPLE - 1 }),
});

it('deltas that are lost, come twice, late or in any order leave no mixture, bring nobody back, and end as the cloud says', async () => {
  const scene = fc.record({
    operations: fc.array(operation, { minLength: 1, maxLength: 12 }),
    arrivals: fc.array(fc.nat(), { maxLength: 24 }),
    restartAt: fc.nat({ max: 24 }),
  });
  await fc.assert(
    fc.asyncProperty(scene, async ({ operations, arrivals, restartAt }) => {
      const box = await CacheBox.open();
      try {
        const steps = script(box, operations);
        const erased = new Set<number>();
        let last = -1;
        const deliver = (step: Step): void => {
          const receipt = box.cache.take(step.delta);
          if (step.erases !== undefined) {
            erased.add(step.erases);
            expect(receipt.erasureIds).toHaveLength(1);
          }
          const at = steps.findIndex(
            ({ cacheId, version }) => cacheId === receipt.cacheId && version === Number(receipt.version),
          );
          expect(at).toBeGreaterThanOrEqual(last);
          last = at;
          const expected = [...(steps[at]?.holds ?? [])].filter(([person]) => !erased.has(person));
          expect(held(box)).toEqual(new Map(expected));
        };
        for (const [index, arrival] of arrivals.entries()) {
          if (index === restartAt) await box.restart();
          const step = steps[arrival % steps.length];
          if (step) deliver(step);
        }
        // The cloud sends what is missing of its last cache.
        const final = steps.at(-1);
        for (const step of steps) {
          const { cacheId, version } = box.cache.holding;
          if (step.cacheId === final?.cacheId && step.from === (cacheId === step.cacheId ? version : 0)) deliver(step);
        }
        expect(held(box)).toEqual(final?.holds);
        expect(box.log.codes.filter((code) => code === 'CACHE.CORRUPT')).toEqual([]);
      } finally {
        box.close();
      }
    }),
    { numRuns: 40 },
  );
});
