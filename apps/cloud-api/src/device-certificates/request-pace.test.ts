import { expect, it } from 'vitest';

import { RequestPace } from './request-pace.js';

it('a network may ask for 60 certificates a minute, and no other has less for it', () => {
  let nowMs = 0;
  const pace = new RequestPace({ monotonicMs: () => nowMs });
  for (let count = 0; count < 60; count += 1) pace.take('203.0.113.7');
  const refusal: unknown = expect.objectContaining({ code: 'REQUEST.RATE_LIMITED', retryable: true });
  expect(() => pace.take('203.0.113.7')).toThrow(refusal);
  pace.take('203.0.113.8');
  for (let count = 0; count < 60; count += 1) pace.take(`2001:db8:1:2::${count}`);
  expect(() => pace.take('2001:db8:1:2:3::')).toThrow(refusal);
  nowMs = 60_000;
  pace.take('203.0.113.7');
});
