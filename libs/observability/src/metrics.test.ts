import { describe, expect, it } from 'vitest';

import { Metrics } from './index.js';

describe('Metrics', () => {
  it('reads gauges and counters anew for each exposition, and forgets what is gone', async () => {
    const metrics = new Metrics();
    const frames = new Map([['door', 1]]);
    metrics.counter({
      name: 'frames_total',
      help: 'Frames.',
      labels: ['camera'],
      read: () => [...frames].map(([camera, value]) => ({ value, labels: { camera } })),
    });
    metrics.gauge({ name: 'backlog', help: 'Records.', read: () => [{ value: frames.size }] });
    expect((await metrics.expose()).text).toContain('frames_total{camera="door"} 1\n');
    frames.set('door', 5).set('hall', 2);
    const { text } = await metrics.expose();
    expect(text).toContain('frames_total{camera="door"} 5\n');
    expect(text).toContain('frames_total{camera="hall"} 2\n');
    expect(text).toContain('# TYPE backlog gauge\nbacklog 2\n');
    frames.delete('door');
    expect((await metrics.expose()).text).not.toContain('door');
  });

  it('waits for what has to be looked up, and goes without what cannot be', async () => {
    const metrics = new Metrics();
    metrics.gauge({ name: 'slow', help: 'x', read: () => Promise.resolve([{ value: 3 }]) });
    metrics.gauge({ name: 'broken', help: 'x', read: () => Promise.reject(new Error('away')) });
    metrics.gauge({ name: 'sites', help: 'x', labels: ['site'], read: () => Promise.reject(new Error('away')) });
    const { text } = await metrics.expose();
    expect(text).toContain('slow 3\n');
    expect(text).toMatch(/^broken NaN$/im);
    expect(text).not.toMatch(/^sites\{/m);
  });

  it('counts observations into buckets', async () => {
    const metrics = new Metrics();
    const observe = metrics.histogram({
      name: 'stage_seconds',
      help: 'Time.',
      labels: ['stage'],
      buckets: [0.01, 0.1],
    });
    observe(0.005, { stage: 'detect' });
    observe(0.05, { stage: 'detect' });
    const { text, contentType } = await metrics.expose();
    expect(text).toContain('stage_seconds_bucket{le="0.01",stage="detect"} 1');
    expect(text).toContain('stage_seconds_bucket{le="0.1",stage="detect"} 2');
    expect(text).toContain('stage_seconds_count{stage="detect"} 2');
    expect(contentType).toContain('text/plain');
  });
});
