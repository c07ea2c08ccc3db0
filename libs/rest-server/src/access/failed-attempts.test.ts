import { describe, expect, it } from 'vitest';

import { FailedAttempts, networkOf } from './failed-attempts.js';

describe('failed attempts', () => {
  it('shut an address after thirty within a minute, until the minute is over', () => {
    let nowMs = 1000;
    const attempts = new FailedAttempts({ monotonicMs: () => nowMs });
    for (let time = 0; time < 29; time += 1) attempts.failed('192.0.2.1');
    expect(attempts.waitMs('192.0.2.1')).toBeUndefined();
    nowMs += 10_000;
    attempts.failed('192.0.2.1');
    expect(attempts.waitMs('192.0.2.1')).toBe(50_000);
    expect(attempts.waitMs('192.0.2.2')).toBeUndefined();
    nowMs += 50_000;
    expect(attempts.waitMs('192.0.2.1')).toBeUndefined();
  });

  it('are remembered of a bounded number of addresses', () => {
    const attempts = new FailedAttempts({ monotonicMs: () => 0 });
    for (let time = 0; time < 30; time += 1) attempts.failed('192.0.2.1');
    for (let other = 0; other < 10_000; other += 1) attempts.failed(`10.0.${other >> 8}.${other & 255}`);
    expect(attempts.waitMs('192.0.2.1')).toBeUndefined();
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
  ])('of %s count for %s', (address, network) => expect(networkOf(address)).toBe(network));
});
