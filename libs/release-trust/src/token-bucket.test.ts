import { expect, it } from 'vitest';

import { TokenBucket } from './token-bucket.js';

it('a transfer takes a second at once and then keeps to its rate, and an idle line saves up no more than that', async () => {
  let now = 0;
  const clock = {
    monotonicMs: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
  };
  const bucket = new TokenBucket(1000, clock);
  for (let chunk = 0; chunk < 100; chunk += 1) await bucket.take(100);
  // Ten thousand bytes at a thousand a second, of which the first second was free.
  expect(now).toBeCloseTo(9000);
  now += 3_600_000;
  const before = now;
  await bucket.take(3000);
  expect(now - before).toBeCloseTo(2000);
});
