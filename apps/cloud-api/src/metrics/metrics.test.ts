import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { requestAs } from '../testing/two-tenants.js';

const PLATFORM_KEY = 'test-platform-key-0123456789';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud({ access: { platformKey: PLATFORM_KEY } });
});
afterAll(() => cloud.stop());

const metrics = async (): Promise<string> => {
  const answer = await requestAs(cloud, PLATFORM_KEY, { url: '/metrics' });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toMatch('text/plain; version=');
  return answer.body;
};

describe('the metrics', () => {
  it('are the platform’s alone', async () => {
    expect((await cloud.request({ url: '/metrics' })).statusCode).toBe(403);
    expect((await cloud.api.app.inject({ url: '/metrics' })).statusCode).toBe(401);
  });

  it('say how ingest, galleries, jobs and the broker are', async () => {
    const text = await metrics();
    for (const line of [
      'sightline_cloud_broker_connected 1',
      'sightline_cloud_ingest_records_total 0',
      'sightline_cloud_ingest_stage_seconds_total{stage="search"} 0',
      'sightline_cloud_ingest_waiting_batches 0',
      'sightline_cloud_gallery_version 0',
      'sightline_cloud_gallery_behind_changes{kind="flat"} 0',
      'sightline_cloud_gallery_templates 0',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toMatch(/sightline_cloud_job_runs_total\{kind="[^"]+",outcome="succeeded"\} \d/);
    expect(text).toMatch(/process_resident_memory_bytes \d/);
  });

  it('count requests by their route, and no label says what somebody has written', async () => {
    await cloud.request({ url: '/v1/people/01a2b3c4-0000-7000-8000-00000000beef' });
    for (const path of ['beef-1', 'beef-2', '../beef-3']) await cloud.request({ url: `/nowhere/${path}` });
    const text = await metrics();
    expect(text).toContain('_count{method="GET",route="/v1/people/:id",status="4xx"} 1\n');
    expect(text).toContain('_count{method="any",route="none",status="4xx"} 3\n');
    expect(text).not.toContain('beef');
  });
});
