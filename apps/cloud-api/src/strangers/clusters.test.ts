import { seededIntegers } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { Clusters } from './clusters.js';

const bar = { threshold: 0.6, margin: 0.05 };
const at = (degrees: number): Float32Array => {
  const angle = (degrees * Math.PI) / 180;
  return Float32Array.of(Math.cos(angle), Math.sin(angle));
};
/** Which cluster each of these came into, in their order. */
function grouped(vectors: readonly Float32Array[], clusters = new Clusters()): string[] {
  const names: string[] = [];
  vectors.forEach((vector, index) => {
    const { cluster, merged } = clusters.assign(vector, bar, `c${index}`);
    names.forEach((name, earlier) => {
      if (name === merged) names[earlier] = cluster;
    });
    names.push(cluster);
  });
  return names;
}

describe('faces that come one by one', () => {
  it('are one cluster where they are near, and another where they are not', () => {
    expect(grouped([at(0), at(90), at(10), at(100), at(-5)])).toEqual(['c0', 'c1', 'c0', 'c1', 'c0']);
  });

  it('join who was told apart before', () => {
    const clusters = new Clusters();
    clusters.add('before', at(0));
    expect(grouped([at(20), at(180)], clusters)).toEqual(['before', 'c1']);
    expect(clusters.size).toBe(2);
  });

  it('tie two clusters together that turn out to be near', () => {
    // 0° and 52° are as near as one person; the second was first taken for another by a stricter bar.
    const clusters = new Clusters();
    clusters.add('one', at(0));
    clusters.add('other', at(52));
    expect(clusters.assign(at(24), bar, 'new')).toEqual({ cluster: 'one', merged: 'other' });
    expect(clusters.size).toBe(1);
  });

  it('stay apart between two who are not one, unless one is clearly nearer', () => {
    const between = () => {
      const clusters = new Clusters();
      clusters.add('one', at(0));
      clusters.add('other', at(80));
      return clusters;
    };
    expect(between().assign(at(40), bar, 'new')).toEqual({ cluster: 'new' });
    expect(between().assign(at(35), bar, 'new')).toEqual({ cluster: 'one' });
  });

  it('come into the same clusters in whatever order, where people are well apart', () => {
    const random = seededIntegers(5);
    const people = [0, 90, 180, 270];
    for (let run = 0; run < 50; run += 1) {
      const faces = Array.from({ length: 30 }, () => {
        const person = random(people.length);
        return { person, vector: at((people[person] ?? 0) + random(40) - 20) };
      });
      const names = grouped(faces.map(({ vector }) => vector));
      const pairs = new Set(faces.map(({ person }, index) => `${person}/${names[index]}`));
      expect(pairs.size).toBe(new Set(faces.map(({ person }) => person)).size);
    }
  });
});
