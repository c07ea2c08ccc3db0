import { errorDefinitions } from '@sightline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

const get = (url: string, headers: Record<string, string> = {}) => cloud.api.app.inject({ url, headers });

describe('the page', () => {
  it('is where the root leads to, also below the prefix of a proxy', async () => {
    const response = await get('/');
    expect([response.statusCode, response.headers.location]).toEqual([302, 'live']);
  });

  it.each([
    ['/live', 'text/html; charset=utf-8', '<!doctype html>'],
    ['/live/main.js', 'text/javascript; charset=utf-8', 'import '],
    ['/live/page.css', 'text/css; charset=utf-8', ':root'],
    ['/live/error-titles.json', 'application/json; charset=utf-8', '{"'],
  ])('has %s as %s, without a key', async (url, type, start) => {
    const response = await get(url);
    expect([response.statusCode, response.headers['content-type']]).toEqual([200, type]);
    expect(response.body).toContain(start);
  });

  it('loads nothing but files of its own, and has nothing inline', async () => {
    const html = (await get('/live')).body;
    const addresses = [...html.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, address]) => address ?? '');
    expect(addresses).toEqual(['live/page.css', 'live/main.js']);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<img|<script(?![^>]* src=)/);
    const queue = ['main.js'];
    for (const name of queue) {
      const response = await get(`/live/${name}`);
      expect([name, response.statusCode]).toEqual([name, 200]);
      const imported = [...response.body.matchAll(/^import .* from '\.\/(.*)';$/gm)].map(([, file]) => file ?? '');
      queue.push(...imported.filter((file) => !queue.includes(file)));
    }
    expect(queue.length).toBeGreaterThan(5);
  });

  it.each(['/live', '/live/main.js'])('is guarded against foreign scripts, frames and guesses: %s', async (url) => {
    const { headers } = await get(url);
    const policy = String(headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
      ]),
    );
    expect(policy.join()).not.toMatch(/unsafe|https?:|\*|img-src/);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
  });

  it('is kept by a browser, which asks each time whether it has changed', async () => {
    const first = await get('/live/main.js');
    expect(first.headers['cache-control']).toBe('no-cache');
    const etag = String(first.headers.etag);
    const again = await get('/live/main.js', { 'if-none-match': `"old", W/${etag}` });
    expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, '', etag]);
    expect(again.headers['content-security-policy']).toBe(first.headers['content-security-policy']);
    expect((await get('/live/main.js', { 'if-none-match': '"old"' })).statusCode).toBe(200);
  });

  it.each(['nothing.js', 'tsconfig.json', '..%2fpackage.json', '%2e%2e%2fpackage.json', 'constructor'])(
    'has no file %s',
    async (name) => {
      const response = await get(`/live/${name}`);
      expect(response.json()).toMatchObject({ status: 404, code: 'REQUEST.NOT_FOUND' });
    },
  );

  it('knows what each error code means', async () => {
    const titles = (await get('/live/error-titles.json')).json<Record<string, string>>();
    expect(titles['TEMPLATE.FOREIGN_KEY']).toBe(errorDefinitions['TEMPLATE.FOREIGN_KEY'].title);
    expect(Object.keys(titles)).toEqual(Object.keys(errorDefinitions));
  });

  it('is no part of the REST interface', async () => {
    const { paths } = (await get('/openapi.json')).json<{ paths: Record<string, unknown> }>();
    expect(Object.keys(paths).filter((path) => path === '/' || path.startsWith('/live'))).toEqual([]);
  });
});
