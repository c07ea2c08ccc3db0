import { createHash, createPublicKey, verify } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { startEdgeAgent, type EdgeAgent } from '@sightline/edge-agent';
import { silentLogger, StopStack, type KeyId, type Sha256, type SpaceId } from '@sightline/kernel';
import { decodeTemplate, encodeTemplate, type Template } from '@sightline/template-protection';
import { sql } from 'drizzle-orm';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HubUnderTest } from '../bad-input/hub-under-test.js';
import { portrait } from '../bad-input/photos.js';
import { until } from '../bad-input/until.js';
import { CuttableProxy } from '../page/cuttable-proxy.js';
import { baseBackup, connectTo, serverHome } from './base-backup.js';
import { findMarkers, type Marker } from './scan.js';

const NAME = 'Xerxesia Markerova-Quill';
const EXTERNAL_ID = 'MARKER-EXTERNAL-7351-ZQ';
/** Three boxes begin at once, each with its models, ms. */
const PATIENT_MS = 90_000;
const BOXES = ['door-1', 'door-2', 'door-3'] as const;

/** Real REST, broker, database and models, and three real boxes, one of which can be cut off. */
describe('the erasure of somebody who is known everywhere', () => {
  const stack = new StopStack();
  const agents: EdgeAgent[] = [];
  let directory: string;
  let stand: HubUnderTest;
  let cable: CuttableProxy;
  let home: string;
  let database: Database;
  let personId: string;
  let markers: readonly Marker[];
  let personMarker: Marker;
  let erasureId: string;
  let sealedName: Buffer;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sightline-erasure-'));
    stack.push(() => rm(directory, { recursive: true, force: true }));
    stand = await HubUnderTest.start();
    stack.push(() => stand.stop());
    home = await serverHome(stand.workspace.path('postgres'));
    database = await connectTo(home);
    stack.push(() => database.close());
    cable = new CuttableProxy(stand.hub.ready.mqttUrl);
    await cable.open();
    stack.push(() => cable.cut());
    const film = await emptyFilm(directory);
    for (const id of BOXES) {
      const provisioning = await stand.client.createDevice({ id, siteId: 'main-gate' });
      const url = id === 'door-3' ? cable.url.replace('http', 'mqtt') : provisioning.mqtt.url;
      const source = { kind: 'folder', directory: film, loop: true, framesPerSecond: 1 } as const;
      const agent = await startEdgeAgent(
        {
          dataDirectory: join(directory, id),
          provisioning: { ...provisioning, mqtt: { ...provisioning.mqtt, url } },
          cameras: [{ id: 'door', source }],
        },
        { log: silentLogger },
      );
      agents.push(agent);
      stack.push(() => agent.stop());
    }
  });
  afterAll(() => stack.stop());

  const send = async (method: string, path: string, body?: object) =>
    stand.send(method, path, body && Buffer.from(JSON.stringify(body)), 'application/json');
  const proof = async () => rest.erasureProofSchema.parse((await send('GET', `/v1/erasures/${erasureId}`)).body);
  const folders = () => [stand.workspace.path('.'), home, ...BOXES.map((id) => join(directory, id)), backup()];
  const backup = () => join(directory, 'backup');
  const peopleOn = () => agents.map((agent) => agent.status().cache?.people);

  it('begins with a person whom every box knows, and a backup', async () => {
    const person = await stand.client.createPerson({ name: NAME, externalId: EXTERNAL_ID });
    personId = person.id;
    const { body } = await stand.send('POST', '/v1/embeddings', await portrait());
    const [face] = rest.embeddingsResponseSchema.parse(body).faces;
    if (face === undefined) throw new Error('the portrait shows nobody');
    const enrolled = await send('POST', `/v1/people/${personId}/templates`, { template: face.template });
    expect(enrolled.status).toBe(201);
    markers = markersOf(face.template);
    personMarker = { what: 'person id', bytes: Buffer.from(personId.replaceAll('-', ''), 'hex') };
    await until(
      () => (peopleOn().every((people) => people === 1) ? true : undefined),
      'the person on every box',
      PATIENT_MS,
    );
    await until(
      async () => {
        const page = rest.edgeCachePageSchema.parse((await send('GET', '/v1/edge-caches')).body);
        return page.items.every((cache) => cache.confirmedVersion > 0) ? true : undefined;
      },
      'the receipts',
      PATIENT_MS,
    );
    const { rows } = await database.db.execute<{ sealed: Buffer }>(
      sql`SELECT sealed_name AS sealed FROM cloud.person WHERE id = ${personId}`,
    );
    sealedName = rows[0]?.sealed ?? Buffer.alloc(0);
    await database.db.execute(sql`CHECKPOINT`);
    await mkdir(backup());
    await baseBackup(database, home, backup());
  });

  it('never leaves the name, the external id or the template in a file, of whatever part', async () => {
    const { found, bytes } = await findMarkers(folders(), markers);
    expect([...found]).toEqual([]);
    expect(bytes).toBeGreaterThan(10_000_000);
    // What is looked for would be found: the row itself is in the database's files, and in the backup.
    const row = await findMarkers([join(home, 'data'), backup()], [personMarker, { what: 'row', bytes: sealedName }]);
    for (const what of ['person id', 'row']) {
      expect(row.found.get(what)?.some((path) => path.startsWith(backup()))).toBe(true);
      expect(row.found.get(what)?.some((path) => path.startsWith(home))).toBe(true);
    }
  });

  it('is not complete before the box that is away has confirmed', async () => {
    await cable.cut();
    await until(() => (agents[2]?.status().connected ? undefined : true), 'the third box away');
    const { status, body } = await send('POST', '/v1/erasures', { personId });
    expect(status).toBe(202);
    erasureId = rest.erasureProofSchema.parse(body).erasureId;
    await until(() => (peopleOn().join() === '0,0,1' ? true : undefined), 'two boxes without the person', PATIENT_MS);
    const open = await until(async () => {
      const said = await proof();
      return said.devices.filter(({ confirmedAt }) => confirmedAt !== null).length === 2 ? said : undefined;
    }, 'two receipts');
    expect(open).toMatchObject({ complete: false, completedAt: null });
    expect(open.devices.find(({ confirmedAt }) => confirmedAt === null)).toMatchObject({ deviceId: 'door-3' });
    expect(open.stores.every(({ confirmedAt }) => confirmedAt !== null)).toBe(true);
    expect(open.galleries.every(({ outcome }) => outcome === 'passed')).toBe(true);
    expect((await findMarkers(folders(), markers)).found.size).toBe(0);
  });

  it('is complete once it is back, signed, and tied to nobody', async () => {
    await cable.open();
    await until(
      () => (peopleOn().join() === '0,0,0' ? true : undefined),
      'the third box without the person',
      PATIENT_MS,
    );
    const done = await until(async () => {
      const said = await proof();
      return said.complete ? said : undefined;
    }, 'the proof');
    expect(done.devices.map(({ deviceId }) => deviceId)).toEqual([...BOXES]);
    expect(JSON.stringify(done)).not.toContain(personId);
    const { signature, ...statement } = done;
    const key = createPublicKey({ key: Buffer.from(signature.publicKey, 'base64'), format: 'der', type: 'spki' });
    const signed = Buffer.from(canonical(statement), 'utf8');
    expect(verify(null, signed, key, Buffer.from(signature.value, 'base64'))).toBe(true);
    const { rows } = await database.db.execute(sql`
      SELECT (SELECT count(*)::int FROM cloud.erasure WHERE person_id IS NOT NULL) AS erasures,
        (SELECT count(*)::int FROM cloud.person WHERE id = ${personId}) AS people,
        (SELECT count(*)::int FROM cloud.gallery_change WHERE person_id = ${personId}) AS changes`);
    expect(rows).toEqual([{ erasures: 0, people: 0, changes: 0 }]);
  });

  it('leaves a backup that nobody can read: the key is overwritten where it lay', async () => {
    expect((await findMarkers([backup()], [{ what: 'row', bytes: sealedName }])).found.size).toBe(1);
    // docs/privacy.md says where a key lies: its name, and behind it the wrapped key.
    const name = createHash('sha256').update(`sightline/person/default/${personId}`).digest();
    const keys = stand.workspace.path(join('cloud-api', 'person-keys'));
    const segments = (await readdir(keys)).filter((file) => file.endsWith('.keys'));
    const slots = (await Promise.all(segments.map((file) => readFile(join(keys, file))))).flatMap((bytes) => {
      const at = bytes.indexOf(name);
      return at === -1 ? [] : [bytes.subarray(at + name.length, at + name.length + 60)];
    });
    expect(slots).toEqual([Buffer.alloc(60)]);
  });
});

/** The name, the external id, and the template in each form that a part of the system computes with. */
function markersOf(made: rest.Template): readonly Marker[] {
  const template: Template = {
    ...{ spaceId: made.modelSpace as SpaceId, keyId: made.keyId as KeyId, codec: made.codec, scale: made.scale },
    ...{ dimension: made.dimension, quality: made.quality, variantDigest: made.variantDigest as Sha256 },
    data: new Uint8Array(Buffer.from(made.data, 'base64')),
  };
  const vector = decodeTemplate(template);
  const int8 = encodeTemplate(vector, { ...template, codec: 'int8' }).data;
  // A part is enough to find it, and finds it also where a page ends within it.
  const part = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 48));
  return [
    { what: 'name', bytes: Buffer.from(NAME, 'utf8') },
    { what: 'external id', bytes: Buffer.from(EXTERNAL_ID, 'utf8') },
    { what: 'template as float16', bytes: part(template.data) },
    { what: 'template as int8', bytes: part(int8) },
    { what: 'template as float32', bytes: part(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)) },
    { what: 'template in base64', bytes: Buffer.from(made.data.slice(0, 64), 'utf8') },
  ];
}

/** As the proof's schema says: without white space, members in the order of their names. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

/** A film without anybody: the boxes only keep their caches. */
async function emptyFilm(directory: string): Promise<string> {
  const folder = join(directory, 'film');
  await mkdir(folder);
  const blank = sharp({ create: { width: 320, height: 240, channels: 3, background: '#777' } });
  await writeFile(join(folder, '00.jpg'), await blank.jpeg().toBuffer());
  return folder;
}
