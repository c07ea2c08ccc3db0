import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { create } from '@bufbuild/protobuf';
import { DesiredConfigSchema, type DesiredConfig } from '@sightline/contracts';
import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { defaultSightingPolicy } from '../pipeline/sighting-policy.js';
import { defaultDeliveryPolicy } from '../uplink/batch-sender.js';
import { DesiredSettings } from './desired-settings.js';
import { DesiredVersionsFile } from './desired-versions.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-desired-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (): DesiredSettings =>
  new DesiredSettings({
    defaults: { sighting: defaultSightingPolicy, delivery: defaultDeliveryPolicy },
    siteId: 'lobby',
    versions: new DesiredVersionsFile(join(directory, 'desired.json'), silentLogger),
    onChange: () => undefined,
    log: silentLogger,
  });
const document = (fields: Partial<Omit<DesiredConfig, '$typeName' | '$unknown'>>): DesiredConfig =>
  create(DesiredConfigSchema, fields);

it('a box is where it was provisioned, until the cloud moves it, and stays there across restarts', () => {
  const settings = open();
  settings.desire(document({ version: 1n }));
  expect(settings.siteId).toBe('lobby');
  settings.desire(document({ version: 2n, siteId: 'gate' }));
  expect([settings.siteId, open().siteId]).toEqual(['gate', 'gate']);
});

it('each field that cannot be taken is named, and nothing of its document is taken', () => {
  const settings = open();
  const sighting = { $typeName: 'sightline.v1.SightingPolicy' as const, bestShots: 9, updateGain: 0.5 };
  const delivery = { $typeName: 'sightline.v1.DeliveryPolicy' as const, maximumWindow: 0 };
  settings.desire(document({ version: 1n, siteId: 'Not a slug', sighting, delivery }));
  expect(settings.state).toMatchObject({ version: 1, status: 'failed', error: 'CONFIG.INVALID' });
  const paths = settings.state.errors?.map(({ path }) => path);
  expect(paths).toEqual(['siteId', 'sighting.bestShots', 'delivery.maximumWindow']);
  expect([settings.siteId, settings.policies.sighting.updateGain]).toEqual(['lobby', defaultSightingPolicy.updateGain]);
  settings.desire(document({ version: 2n, siteId: 'gate' }));
  expect(settings.state).toMatchObject({ status: 'applied', error: '' });
});
