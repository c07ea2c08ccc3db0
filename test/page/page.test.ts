import { create, toBinary } from '@bufbuild/protobuf';
import {
  DeviceBirthSchema,
  FieldStatus,
  ReportedStateSchema,
  rest,
  SightingPhase,
  TemplateCodec,
} from '@sightline/contracts';
import { newSightingId, StopStack } from '@sightline/kernel';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { HubUnderTest } from '../bad-input/hub-under-test.js';
import { portrait } from '../bad-input/photos.js';
import { RawDevice, sightingPayload, type RawSighting, type RawTemplate } from '../bad-input/raw-device.js';
import { startChromium } from './chromium.js';
import { CuttableProxy } from './cuttable-proxy.js';

const NAME = '<img src=x onerror="document.title=1"> & <b>Ada</b>';
const CAMERA = '<script>document.title=2</script>';
/** Rows that the page shows at most. */
const SHOWN = 200;

describe('the page in a browser', () => {
  const stack = new StopStack();
  let stand: HubUnderTest;
  let proxy: CuttableProxy;
  let browser: Browser;
  let device: RawDevice;
  /** Of somebody who is enrolled, and of nobody. */
  let known: RawTemplate;
  let unknown: RawTemplate;

  beforeAll(async () => {
    stand = await HubUnderTest.start();
    stack.push(() => stand.stop());
    proxy = new CuttableProxy(stand.hub.ready.apiUrl);
    await proxy.open();
    stack.push(() => proxy.cut());
    browser = await startChromium();
    stack.push(() => browser.close());
    device = await RawDevice.connect(await stand.client.createDevice({ id: 'box-1', siteId: 'gate' }));
    stack.push(() => device.close());
    await stand.client.createDevice({ id: 'box-2', siteId: 'yard' });
    known = await enrol(NAME);
    unknown = { ...known, data: known.data.map((code) => (code + 128) % 256) };
  });
  afterAll(() => stack.stop());

  /** Enrols the person of a photo; the template is what a box would send of the same photo. */
  async function enrol(name: string): Promise<RawTemplate> {
    const photo = await portrait();
    await stand.client.enrolFace((await stand.client.createPerson({ name })).id, photo);
    const { body } = await stand.send('POST', '/v1/embeddings?codec=int8', photo);
    const template = rest.embeddingsResponseSchema.parse(body).faces[0]!.template;
    return { ...template, codec: TemplateCodec.INT8, data: Buffer.from(template.data, 'base64') };
  }

  async function see(template: RawTemplate, raw: RawSighting = {}, id = newSightingId()): Promise<string> {
    await device.send(sightingPayload(id, template, raw));
    return id;
  }

  let context: BrowserContext;
  let page: Page;
  /** Whatever the page did that it must not do. */
  let offences: string[];

  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    page = await context.newPage();
    offences = [];
    page.on('pageerror', (error) => offences.push(error.message));
    page.on('console', (message) => {
      if (/security policy|trusted/i.test(message.text())) offences.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(`${proxy.url}/`)) offences.push(request.url());
      if (request.resourceType() === 'image') offences.push(request.url());
      if (request.url().includes(stand.hub.adminKey)) offences.push('the key is in an address');
    });
    await page.goto(`${proxy.url}/`);
    return async () => {
      expect(page.url()).toBe(`${proxy.url}/live`);
      await context.close();
      expect(offences).toEqual([]);
    };
  });

  const enter = async (key: string) => {
    await page.getByLabel('API key').fill(key);
    await page.getByRole('button', { name: 'Open' }).click();
  };
  const open = async () => {
    await enter(stand.hub.adminKey);
    await state('Live').waitFor();
  };
  const state = (text: string) => page.getByRole('status').filter({ hasText: text });
  const rows = () => page.locator('#sightings tbody tr');
  const rowOf = (id: string) => page.locator(`#sightings tr[data-id="${id}"]`);
  const count = (name: string) => page.locator(`[data-count="${name}"] dd`);
  const shownIds = async () => Promise.all((await rows().all()).map((row) => row.getAttribute('data-id')));
  const listedIds = async () => {
    const { body } = await stand.send('GET', `/v1/sightings?limit=${SHOWN}`);
    return rest.sightingPageSchema.parse(body).items.map(({ id }) => id);
  };

  it('says that a wrong key is refused, and shows and keeps nothing', async () => {
    await enter('a-wrong-key');
    await page.getByRole('alert').filter({ hasText: 'The key was refused.' }).waitFor();
    await enter('no key at all');
    await page.getByRole('alert').filter({ hasText: 'This is not an API key' }).waitFor();
    expect(await page.locator('main').isVisible()).toBe(false);
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
  });

  it('keeps the key for this tab, until it is told to forget it', async () => {
    await open();
    await page.reload();
    await state('Live').waitFor();
    expect(await page.getByLabel('API key').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await page.getByLabel('API key').waitFor();
    await page.reload();
    await page.getByLabel('API key').waitFor();
    expect(await page.locator('main').isVisible()).toBe(false);
  });

  it('says that there is no sighting yet', async () => {
    await open();
    await page.getByText('No sightings yet.').waitFor();
    expect(await page.getByRole('table', { name: 'Sightings' }).isVisible()).toBe(false);
  });

  it('shows devices, whether they are online, and why an update has failed', async () => {
    await open();
    const box = page.getByRole('table', { name: 'Devices' }).getByRole('row').filter({ hasText: 'box-1' });
    const cells = box.getByRole('cell');
    await box.waitFor();
    expect((await cells.allInnerTexts()).slice(0, 4)).toEqual(['offline', 'gate', 'none yet', '–']);
    const running = { version: '1.0.0', digest: 'ab'.repeat(32), modelSpace: known.modelSpace };
    const birth = { schemaVersion: 1, sessionId: 's1', agentVersion: '0.1.0', provider: 'cpu', running };
    await device.publish('birth', toBinary(DeviceBirthSchema, create(DeviceBirthSchema, birth)));
    await box.filter({ hasText: 'online' }).waitFor();
    expect((await cells.allInnerTexts()).slice(0, 4)).toEqual(['online', 'gate', '1.0.0', 'cpu']);
    const failed = { releaseVersionSeen: 2n, releaseStatus: FieldStatus.FAILED, releaseError: 'RELEASE.CORRUPT' };
    const reported = create(ReportedStateSchema, { schemaVersion: 1, provider: 'cpu', running, ...failed });
    await device.publish('state/reported', toBinary(ReportedStateSchema, reported));
    await box.filter({ hasText: 'Update failed: A file of the release is truncated or changed' }).waitFor();
    await page.getByText('1 of 2 online').waitFor();
  });

  it('shows a sighting within a second of its commit; an update replaces its row', async () => {
    await open();
    const id = await see(unknown, { phase: SightingPhase.OPEN });
    await rowOf(id).waitFor({ timeout: 1000 });
    expect(await rowOf(id).locator('.who').innerText()).toMatch(/^unknown\s+in view$/);
    expect(await count('seen').innerText()).toBe('1');
    const other = await see(unknown);
    await see(known, { revision: 2 }, id as ReturnType<typeof newSightingId>);
    await page.locator(`[data-id="${id}"][data-revision="2"][data-outcome="identified"]`).waitFor({ timeout: 1000 });
    expect(await shownIds()).toEqual([other, id]);
    expect(await Promise.all(['seen', 'identified', 'unknown'].map((name) => count(name).innerText()))).toEqual([
      '2',
      '1',
      '1',
    ]);
    expect(await rowOf(id).locator('.score').innerText()).toMatch(/^0\.9\d{2} ≥ 0\.\d{3}$/);
  });

  it('shows names and cameras as text, whatever is in them', async () => {
    await open();
    const id = await see(known, { cameraId: CAMERA });
    await rowOf(id).waitFor();
    expect(await rowOf(id).locator('.who').innerText()).toBe(NAME);
    expect(await rowOf(id).locator('.camera').innerText()).toBe(CAMERA);
    expect(await page.title()).toBe('Sightline');
    expect(await page.locator('#live img, #live script').count()).toBe(0);
  });

  it('says why a sighting was refused', async () => {
    await open();
    const id = await see({ ...known, keyId: 'ab'.repeat(16) });
    expect(await rowOf(id).locator('.who').innerText()).toMatch(
      /^refused\s+The template was protected with another key$/,
    );
  });

  it('says since when the connection is lost; once it is back there is neither a hole nor a duplicate', async () => {
    await open();
    const updated = await see(unknown, { phase: SightingPhase.OPEN });
    await rowOf(updated).waitFor();
    await proxy.cut();
    await state('Connection lost since').waitFor();
    expect(await page.title()).toMatch(/^Connection lost/);
    const missed = await Promise.all([see(known), see(unknown), see(known)]);
    await see(known, { revision: 2 }, updated as ReturnType<typeof newSightingId>);
    await proxy.open();
    await state('Live').waitFor();
    for (const id of [...missed, updated]) await rowOf(id).filter({ hasNotText: 'in view' }).waitFor();
    const after = await see(unknown);
    await rowOf(after).waitFor();
    expect(await shownIds()).toEqual(await listedIds());
    expect(await count('seen').innerText()).toBe('5');
    expect(await count('identified').innerText()).toBe('3');
    expect(await count('unknown').innerText()).toBe('2');
  });

  it('stands still while it is paused, and then goes on with all that came', async () => {
    await open();
    await page.getByRole('button', { name: 'Pause' }).click();
    const before = await rows().count();
    const id = await see(unknown);
    await page.getByText('Paused, 1 not shown yet').waitFor();
    expect([await rows().count(), await count('seen').innerText()]).toEqual([before, '1']);
    await page.getByRole('button', { name: 'Go on' }).click();
    await rowOf(id).waitFor();
  });

  it('counts every sighting of a crowd and shows the newest ones, also when it was away meanwhile', async () => {
    const crowd = SHOWN + 50;
    const comes = () => Promise.all(Array.from({ length: crowd }, () => see(unknown)));
    const counted = (total: number) => page.locator('[data-count="seen"] dd', { hasText: String(total) }).waitFor();
    await open();
    await comes();
    await counted(crowd);
    await proxy.cut();
    await comes();
    await proxy.open();
    await counted(2 * crowd);
    expect(await shownIds()).toEqual(await listedIds());
  });

  it('is usable on a phone: nothing is wider than the screen', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await open();
    await rows().first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });
});
