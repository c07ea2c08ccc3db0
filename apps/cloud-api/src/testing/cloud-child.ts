import { toBinary } from '@bufbuild/protobuf';
import { TemplateSchema } from '@sightline/contracts';
import { inChunks } from '@sightline/database';
import type { Gallery } from '@sightline/gallery';
import { newPersonId, newTemplateId } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import { encodeTemplate, type Template } from '@sightline/template-protection';

import type { RequestLimits } from '../access/access-config.js';
import type { SharedConsumption } from '../ingest/consumer-claim.js';
import type { StageFigures } from '../ingest/ingest-stages.js';
import { Ingest } from '../ingest/ingest.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { GALLERY } from '../platform/tokens.js';
import { startWith, type StartedCloudApi } from '../start-cloud-api.js';
import { person } from '../storage/schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { childConfig } from './child-config.js';
import { fakeRelease } from './fake-release.js';
import { TENANT } from './test-cloud.js';
import { wireTemplate } from './test-device.js';

// A cloud API in a process of its own, to be killed and measured: everything is real but the release, which has no
// models. Told what to do by its parent's messages.

/** How the parent starts it. */
export interface CloudChildOptions {
  readonly databaseUrl: string;
  readonly redisUrl?: string;
  readonly mqtt: { readonly url: string; readonly username: string; readonly password: string };
  readonly shared?: SharedConsumption;
  readonly adminKey: string;
  readonly dimension: number;
  readonly dataDirectory: string;
  readonly keyStoreDirectory?: string;
  readonly deviceCertificateMs?: number;
  readonly access?: { readonly requestsPerMinute: RequestLimits };
  readonly webhooks?: { readonly privateNetworks: boolean };
  /** Warnings and errors go to standard error. */
  readonly verbose?: boolean;
}

/** What the parent may ask for. */
export type CloudChildRequest =
  | { readonly kind: 'gallery'; readonly templates: number; readonly perPerson: number; readonly probes: number }
  | { readonly kind: 'figures' }
  | { readonly kind: 'stop' };

/** What the process tells its parent. */
export type CloudChildReply =
  | { readonly kind: 'started'; readonly url: string }
  | { readonly kind: 'failed'; readonly code: string }
  /** Probes as `sightline.v1.Template` messages in base64: each is close to one enrolled person. */
  | { readonly kind: 'gallery'; readonly probes: readonly string[] }
  | { readonly kind: 'figures'; readonly cpuMs: number; readonly stages: StageFigures };

const tell = (reply: CloudChildReply): void => void process.send?.(reply);

process.once('message', (options) => {
  void run(options as CloudChildOptions).catch((error: unknown) => {
    const code = (error as { code?: unknown }).code;
    process.send?.({ kind: 'failed', code: typeof code === 'string' ? code : String(error) }, () => process.exit(1));
  });
});
// A parent that has died leaves nobody behind.
process.once('disconnect', () => process.exit());

async function run(options: CloudChildOptions): Promise<void> {
  const { shared, verbose = false, dimension, ...surroundings } = options;
  const config = childConfig({ ...surroundings, mqtt: { ...surroundings.mqtt, shared } });
  const log = createLogger({ name: shared?.instance ?? 'cloud', level: 'warn' });
  const api = await startWith(
    { ...config, ...(verbose && { log }) },
    { open: () => Promise.resolve(fakeRelease(dimension)) },
  );
  process.on('message', (request) => void answer(api, dimension, request as CloudChildRequest));
  tell({ kind: 'started', url: api.url });
}

async function answer(api: StartedCloudApi, dimension: number, request: CloudChildRequest): Promise<void> {
  switch (request.kind) {
    case 'gallery':
      tell({ kind: 'gallery', probes: await fillGallery(api, dimension, request) });
      return;
    case 'figures': {
      const { user, system } = process.cpuUsage();
      tell({ kind: 'figures', cpuMs: (user + system) / 1000, stages: api.app.get(Ingest).stages });
      return;
    }
    case 'stop':
      await api.stop();
      process.exit();
  }
}

/**
 * Fills this process's gallery with random unit vectors, whose people exist in the database. The templates themselves
 * are in the gallery alone: ingest reads no others.
 */
async function fillGallery(
  { app, database }: StartedCloudApi,
  dimension: number,
  { templates, perPerson, probes }: Extract<CloudChildRequest, { readonly kind: 'gallery' }>,
): Promise<readonly string[]> {
  const gallery = app.get<Gallery>(GALLERY);
  const { keyId } = await app.get(TemplateKeys).protector(TENANT, dimension);
  const { recogniser } = fakeRelease(dimension);
  const encode = (vector: Float32Array): Template =>
    encodeTemplate(vector, { ...recogniser, keyId, codec: 'int8', quality: 0.8 });
  const random = generator(7);
  const identities = Array.from({ length: Math.ceil(templates / perPerson) }, () => ({
    name: 'Somebody',
    externalId: null,
  }));
  const rows = await app.get(PersonalData).newPeople(TENANT, identities);
  const createdAt = new Date();
  const people = await inChunks(rows, (chunk) =>
    database.db
      .insert(person)
      .values(chunk.map((row) => ({ ...row, createdAt })))
      .returning({ id: person.id }),
  );
  const wanted: string[] = [];
  for (let start = 0; start < templates; start += 2000) {
    const count = Math.min(2000, templates - start);
    const vectors = Array.from({ length: count }, () => unitVector(dimension, random));
    const entries = vectors.map((vector, index) => ({
      templateId: newTemplateId(),
      personId: people[(start + index) % people.length]?.id ?? newPersonId(),
      template: encode(vector),
      attributes: { sites: [], groups: [] },
    }));
    await gallery.upsert(entries);
    const near = vectors.slice(0, Math.min(count, probes - wanted.length)).map((vector) => nearby(vector, random));
    for (const vector of near) {
      wanted.push(Buffer.from(toBinary(TemplateSchema, wireTemplate(encode(vector)))).toString('base64'));
    }
  }
  return wanted;
}

/** Mulberry32: uniform in [0, 1), the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The sum of four uniforms is close enough to a normal distribution for directions that know no axis. */
function unitVector(dimension: number, random: () => number): Float32Array {
  return normalised(Float32Array.from({ length: dimension }, () => random() + random() + random() + random() - 2));
}

/** Cosine of about 0.8 to the vector, as of another photo of the same person. */
function nearby(vector: Float32Array, random: () => number): Float32Array {
  const noise = unitVector(vector.length, random);
  return normalised(vector.map((value, index) => value + 0.75 * (noise[index] ?? 0)));
}

function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}
