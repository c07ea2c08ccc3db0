import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { toBinary } from '@bufbuild/protobuf';
import { GalleryDeltaSchema, IdentificationOutcome, SightingPhase } from '@sightline/contracts';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { AgentStage, fakeBundle } from '../testing/agent-stage.js';
import { CacheBox } from '../testing/cache-box.js';
import { cachedPerson, DeltaSigner, personId } from '../testing/cache-fixtures.js';
import { FakeRecogniser, ScriptedSource } from '../testing/fake-recognition.js';
import { digestOf, testProtector, testProvisioning } from '../testing/fixtures.js';
import { wireTemplate } from '../pipeline/sighting-record.js';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

describe('the key of the cache', () => {
  const open = async (box: CacheBox, keyFile: string): Promise<unknown> => {
    await box.restart({ keyFile });
    return box.cache.status.state;
  };

  it('is made where it is wanted, for its owner alone', async () => {
    const box = await CacheBox.open();
    stops.push(() => box.close());
    const keyFile = join(box.directory, 'elsewhere', 'key');
    expect(await open(box, keyFile)).toBe('empty');
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(Buffer.from(readFileSync(keyFile, 'utf8'), 'base64')).toHaveLength(32);
    chmodSync(keyFile, 0o644);
    expect(await open(box, keyFile)).toBe('empty');
    expect(box.log.codes).toEqual(['CACHE.KEY_READABLE']);
  });

  it('is none: then the box goes on without a cache', async () => {
    const box = await CacheBox.open();
    stops.push(() => box.close());
    const [short, folder] = [join(box.directory, 'short'), join(box.directory, 'folder')];
    writeFileSync(short, 'AAAA', { mode: 0o600 });
    mkdirSync(folder);
    for (const keyFile of [short, folder]) {
      await box.restart({ keyFile });
      expect(() => box.cache).toThrow('no cache');
      expect(box.log.codes.at(-1)).toBe('CACHE.KEY_UNAVAILABLE');
    }
    await box.restart({ enabled: false });
    expect(() => box.cache).toThrow('no cache');
  });
});

describe('an agent with a cache', () => {
  /** What the fake recogniser makes of a person. */
  async function person(number: number) {
    const recogniser = new FakeRecogniser();
    const protector = testProtector(recogniser.dimension);
    const faces = [{ aligned: Uint8Array.of(number), quality: 0.8 }];
    const { templates } = await recogniser.embed(faces, { protector, codec: 'int8' });
    return { ...cachedPerson(number), templates: templates.map(wireTemplate), groups: ['staff'] };
  }

  it('tells what it holds, takes deltas, answers with receipts, and names people before it records them', async () => {
    const stage = new AgentStage();
    stops.push(() => stage.close());
    await stage.cloud.start();
    const calibration = {
      points: [
        { falseMatchRate: 1e-5, threshold: 0.6 },
        { falseMatchRate: 1e-3, threshold: 0.4 },
      ],
    };
    const bundle = fakeBundle('1.0.0', digestOf('a'));
    stage.active = { current: { ...bundle, manifest: { ...bundle.manifest, calibration } as never } };
    const signer = new DeltaSigner();
    let show: () => void = () => undefined;
    const filled = new Promise<void>((resolve) => (show = resolve));
    const faces = Array.from({ length: 8 }, () => [{ person: 3, x: 5 }]);
    const source = new ScriptedSource(faces, () => filled);
    const provisioning = { ...testProvisioning(stage.cloud.mqtt), gallery: signer.gallery };
    const agent = await stage.start([source], { provisioning });
    await vi.waitFor(() => expect(stage.cloud.births).not.toHaveLength(0));
    expect(stage.cloud.births[0]).toMatchObject({
      galleryCacheId: '',
      galleryVersion: 0n,
      galleryMaximumTemplates: 20_000,
    });
    const delta = signer.delta({
      ...{ cacheId: 'one', toVersion: 4n, people: [await person(3)] },
      lease: { issuedAtMs: BigInt(Date.now()), expiresAtMs: BigInt(Date.now() + 60_000) },
    });
    await stage.cloud.sendRaw('gallery', Uint8Array.of(0xff, 0xff));
    await stage.cloud.sendRaw('gallery', toBinary(GalleryDeltaSchema, delta));
    await vi.waitFor(() => expect(stage.cloud.receipts).toMatchObject([{ cacheId: 'one', version: 4n, error: '' }]));
    show();
    await agent.finished;
    const decisions = stage.cloud.sightings.map(({ phase, localDecision }) => ({ phase, localDecision }));
    expect(decisions.map(({ phase }) => phase)).toEqual([SightingPhase.OPEN, SightingPhase.CLOSE]);
    for (const { localDecision } of decisions) {
      const named = {
        personId: personId(3),
        outcome: IdentificationOutcome.IDENTIFIED,
        cacheId: 'one',
        cacheVersion: 4n,
      };
      expect(localDecision).toMatchObject(named);
    }
    expect(agent.status().cache).toMatchObject({ state: 'ready', people: 1, matches: { identified: 2 } });
    await agent.stop();
  });
});
