import type { rest } from '@sightline/contracts';
import type { KeyId, PersonId, SightingId, StreamId, TemplateId } from '@sightline/kernel';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { bigint, boolean, doublePrecision, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';

import type { DecisionFacts, StoredCandidate } from '../identification/decision-facts.js';
import { bytea, cloud, instant, sealedTemplateColumns } from './columns.js';

// The typed view of migrations/*.sql, which are the truth: keys, checks and indexes are theirs.

const tenantId = () => text('tenant_id').$type<TenantId>().notNull();
const deviceId = () => text('device_id').$type<DeviceId>().notNull();
const streamId = () => uuid('stream_id').$type<StreamId>();
const sequence = (name: string) => bigint(name, { mode: 'number' });

export const templateKey = cloud.table(
  'template_key',
  {
    tenantId: tenantId(),
    epoch: integer('epoch').notNull(),
    keyId: text('key_id').$type<KeyId>().notNull(),
    wrappedSecret: bytea('wrapped_secret'),
    createdAt: instant('created_at').notNull(),
    supersededAt: instant('superseded_at'),
    retireAt: instant('retire_at'),
    retiredAt: instant('retired_at'),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.epoch] })],
);

export const person = cloud.table(
  'person',
  {
    id: uuid('id').$type<PersonId>().notNull(),
    tenantId: tenantId(),
    sealedName: bytea('sealed_name').notNull(),
    sealedExternalId: bytea('sealed_external_id'),
    externalIdIndex: bytea('external_id_index'),
    /** Buckets of the name's words: see `BlindIndex`. */
    nameWords: integer('name_words').array().notNull().default([]),
    /** Where the person is needed; empty: everywhere. */
    sites: text('sites').array().notNull().default([]),
    groups: text('groups').array().notNull().default([]),
    /** Who this person turned out to be; then they have no templates, and are shown nowhere. */
    mergedInto: uuid('merged_into').$type<PersonId>(),
    /** What the person may be matched for now: see consent/purposes.ts. New people get theirs from a trigger. */
    purposes: text('purposes').array().$type<rest.Purpose[]>().notNull().default([]),
    purposesChangeAt: instant('purposes_change_at'),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const template = cloud.table(
  'template',
  {
    id: uuid('id').$type<TemplateId>().notNull(),
    tenantId: tenantId(),
    personId: uuid('person_id').$type<PersonId>().notNull(),
    ...sealedTemplateColumns(),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const galleryVersion = cloud.table('gallery_version', {
  singleton: boolean('singleton').primaryKey(),
  version: sequence('version').notNull(),
});

export const galleryChange = cloud.table('gallery_change', {
  version: sequence('version').primaryKey(),
  tenantId: tenantId(),
  /** person: their sites or groups alone. */
  kind: text('kind').$type<'upsert' | 'remove' | 'person'>().notNull(),
  templateId: uuid('template_id').$type<TemplateId>(),
  personId: uuid('person_id').$type<PersonId>(),
  createdAt: instant('created_at').notNull(),
});

export type FieldState = 'pending' | 'applied' | 'failed';

export const device = cloud.table(
  'device',
  {
    tenantId: tenantId(),
    id: text('id').$type<DeviceId>().notNull(),
    siteId: text('site_id').notNull(),
    passwordSha256: bytea('password_sha256').notNull(),
    online: boolean('online').notNull().default(false),
    sessionId: text('session_id'),
    lastSeenAt: instant('last_seen_at'),
    agentVersion: text('agent_version'),
    provider: text('provider'),
    releaseVersion: text('release_version'),
    releaseDigest: text('release_digest'),
    modelSpace: text('model_space'),
    configVersion: sequence('config_version').notNull().default(1),
    configVersionSeen: sequence('config_version_seen'),
    configStatus: text('config_status').$type<FieldState>(),
    configError: text('config_error'),
    releaseVersionSeen: sequence('release_version_seen'),
    releaseStatus: text('release_status').$type<FieldState>(),
    releaseError: text('release_error'),
    enrolmentTokenSha256: bytea('enrolment_token_sha256'),
    enrolmentExpiresAt: instant('enrolment_expires_at'),
    revokedAt: instant('revoked_at'),
    revocationReason: text('revocation_reason').$type<rest.RevocationReason>(),
    deletedAt: instant('deleted_at'),
    desiredSettings: jsonb('desired_settings').$type<rest.DeviceSettings>().notNull().default({}),
    templateKeyId: text('template_key_id').$type<KeyId>(),
    configChangedAt: instant('config_changed_at'),
    configErrors: jsonb('config_errors').$type<readonly rest.SettingError[]>().notNull().default([]),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const ingestGap = cloud.table(
  'ingest_gap',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    streamId: streamId().notNull(),
    firstSequence: sequence('first_sequence').notNull(),
    lastSequence: sequence('last_sequence').notNull(),
    reason: text('reason').$type<'disk-full' | 'superseded' | 'unspecified'>().notNull(),
    lostRecords: sequence('lost_records').notNull(),
    receivedAt: instant('received_at').notNull(),
  },
  (table) => [
    primaryKey({
      columns: [table.tenantId, table.deviceId, table.streamId, table.firstSequence, table.lastSequence],
    }),
  ],
);

export const deviceBoot = cloud.table(
  'device_boot',
  {
    tenantId: tenantId(),
    deviceId: deviceId(),
    bootId: text('boot_id').notNull(),
    epochMs: doublePrecision('epoch_ms').notNull(),
    measuredAt: instant('measured_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId, table.bootId] })],
);

export const quarantine = cloud.table('quarantine', {
  id: uuid('id').primaryKey(),
  tenantId: tenantId(),
  deviceId: deviceId(),
  streamId: streamId(),
  sequence: sequence('sequence'),
  code: text('code').notNull(),
  detail: text('detail').notNull(),
  /** Length of what was sent. */
  bytes: integer('bytes').notNull(),
  payloadSha256: bytea('payload_sha256').notNull(),
  receivedAt: instant('received_at').notNull(),
});

export type SightingPhaseName = 'open' | 'update' | 'close';
export type Dating = 'monotonic' | 'synchronised' | 'offset' | 'received';

export const sighting = cloud.table(
  'sighting',
  {
    tenantId: tenantId(),
    id: uuid('id').$type<SightingId>().notNull(),
    deviceId: deviceId(),
    siteId: text('site_id').notNull(),
    cameraId: text('camera_id').notNull(),
    phase: text('phase').$type<SightingPhaseName>().notNull(),
    revision: integer('revision').notNull(),
    firstSeenAt: instant('first_seen_at').notNull(),
    lastSeenAt: instant('last_seen_at').notNull(),
    deviceFirstSeenMs: sequence('device_first_seen_ms').notNull(),
    deviceLastSeenMs: sequence('device_last_seen_ms').notNull(),
    bootId: text('boot_id').notNull(),
    clockSynchronised: boolean('clock_synchronised').notNull(),
    dating: text('dating').$type<Dating>().notNull(),
    receivedAt: instant('received_at').notNull(),
    latencyMs: doublePrecision('latency_ms').notNull(),
    quality: doublePrecision('quality').notNull(),
    liveScore: doublePrecision('live_score'),
    frames: integer('frames').notNull(),
    replayed: boolean('replayed').notNull(),
    closeReason: text('close_reason').$type<'left' | 'agent-stopped'>(),
    releaseDigest: text('release_digest').notNull(),
    trialArm: text('trial_arm').notNull(),
    stageMs: jsonb('stage_ms').$type<Readonly<Record<string, number>>>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.id] })],
);

export const identification = cloud.table(
  'identification',
  {
    tenantId: tenantId(),
    sightingId: uuid('sighting_id').$type<SightingId>().notNull(),
    revision: integer('revision').notNull(),
    outcome: text('outcome').$type<'identified' | 'ambiguous' | 'unknown' | 'refused'>().notNull(),
    personId: uuid('person_id').$type<PersonId>(),
    score: doublePrecision('score'),
    threshold: doublePrecision('threshold').notNull(),
    falseMatchRate: doublePrecision('false_match_rate').notNull(),
    refusalCode: text('refusal_code'),
    identifyMs: doublePrecision('identify_ms').notNull(),
    localOutcome: text('local_outcome').$type<'identified' | 'unknown'>(),
    localPersonId: uuid('local_person_id').$type<PersonId>(),
    localScore: doublePrecision('local_score'),
    localDiffered: boolean('local_differed').notNull().default(false),
    decidedAt: instant('decided_at').notNull(),
    /** Null: decided before there were any. */
    facts: jsonb('facts').$type<DecisionFacts>(),
    /** People near the bar, best first. */
    candidates: jsonb('candidates').$type<readonly StoredCandidate[]>(),
    candidateIds: uuid('candidate_ids').$type<PersonId>().array(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.sightingId, table.revision] })],
);
