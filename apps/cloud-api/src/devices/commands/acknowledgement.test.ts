import { describe, expect, it } from 'vitest';

import { outcomeOf } from './acknowledgement.js';

describe('what is stored of a command’s acknowledgement', () => {
  it('is what the box says when that is sound', () => {
    const figures = { 'outbox.backlog': 7, 'camera.door.fps': 0.5, drift: -3 };
    expect(outcomeOf({ error: 'CAMERA.UNKNOWN', figures })).toEqual({ error: 'CAMERA.UNKNOWN', figures });
    expect(outcomeOf({ error: '', figures: {} })).toEqual({ error: null, figures: {} });
  });

  it('has an error code that PostgreSQL can store, of bounded length', () => {
    expect(outcomeOf({ error: 'A\u0000B\nC\ud800', figures: {} }).error).toBe('ABC');
    expect(outcomeOf({ error: '\u0000', figures: {} }).error).toBeNull();
    expect(outcomeOf({ error: 'E'.repeat(65_536), figures: {} }).error).toBe('E'.repeat(100));
  });

  it('has no figure that JSON cannot hold, and none without a proper name', () => {
    const figures = {
      ...{ backlog: 7, nan: NaN, high: Infinity, low: -Infinity },
      ...{ '': 1, 'a\u0000b': 1, 'a b': 1, ['n'.repeat(101)]: 1 },
    };
    expect(outcomeOf({ error: '', figures }).figures).toEqual({ backlog: 7 });
  });

  it('has a bounded number of figures, which unsound ones do not use up', () => {
    const many = Array.from({ length: 5000 }, (_, index) => [`f${index}`, index % 2 === 0 ? NaN : index] as const);
    const { figures } = outcomeOf({ error: '', figures: Object.fromEntries(many) });
    expect(Object.keys(figures)).toHaveLength(2000);
    expect(figures.f3999).toBe(3999);
  });
});
