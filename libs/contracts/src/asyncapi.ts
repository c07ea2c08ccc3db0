import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { z } from 'zod';

import { CommandAckSchema, CommandSchema } from './generated/sightline/v1/command_pb.js';
import {
  DesiredConfigSchema,
  DesiredReleaseSchema,
  DeviceBirthSchema,
  DeviceStatusSchema,
  ReportedStateSchema,
} from './generated/sightline/v1/device_pb.js';
import { GalleryDeltaSchema, GalleryReceiptSchema } from './generated/sightline/v1/gallery_pb.js';
import { DeviceHealthSchema } from './generated/sightline/v1/health_pb.js';
import { ReleaseStateSchema } from './generated/sightline/v1/release_pb.js';
import { IdentificationSchema, SightingAckSchema, SightingBatchSchema } from './generated/sightline/v1/sighting_pb.js';
import { alertMessageSchema } from './rest/alerts.js';
import { channels, tenantChannels, tenantFilter, TOPIC_ROOT, type Channel } from './topics.js';

/** What is sent on each channel, and what for. A channel that is missing here does not compile. */
const messages: Readonly<Record<Channel, { readonly schema: DescMessage; readonly summary: string }>> = {
  status: { schema: DeviceStatusSchema, summary: 'Whether the box is there; its will says that it is not' },
  birth: { schema: DeviceBirthSchema, summary: 'What the box is and runs, on every connection' },
  'state/reported': { schema: ReportedStateSchema, summary: 'What became of what was desired' },
  sighting: { schema: SightingBatchSchema, summary: 'Records of the outbox' },
  'sighting/ack': { schema: SightingAckSchema, summary: 'How far records are committed' },
  identification: { schema: IdentificationSchema, summary: 'The decision about a sighting' },
  gallery: { schema: GalleryDeltaSchema, summary: 'Changes of the people whom the box knows by itself' },
  'gallery/receipt': { schema: GalleryReceiptSchema, summary: 'What of them the box holds' },
  'health/window': {
    schema: SightingBatchSchema,
    summary: 'Counters of fixed windows, through an outbox of their own',
  },
  'health/window/ack': { schema: SightingAckSchema, summary: 'How far windows are committed' },
  health: { schema: DeviceHealthSchema, summary: 'A snapshot, lossy by nature' },
  command: { schema: CommandSchema, summary: 'Something that the box should do' },
  'command/ack': { schema: CommandAckSchema, summary: 'What became of a command' },
  'desired/release': { schema: DesiredReleaseSchema, summary: 'The release that the box should run' },
  'release/state': { schema: ReleaseStateSchema, summary: 'How far the box has come with the desired release' },
  'desired/config': { schema: DesiredConfigSchema, summary: 'The site and settings that the box should have' },
};

type Json = Readonly<Record<string, unknown>>;

const all = Object.keys(channels) as Channel[];
/** Names of components have no slashes. */
const nameOf = (channel: Channel): string => channel.replaceAll('/', '-');
const messageName = ({ name }: DescMessage): string => name;

/**
 * The MQTT contract as an AsyncAPI 3.0 document, from the point of view of a box: what it publishes it sends, what services
 * publish it receives. Payloads are protobuf in its binary form; their schemas are those of its JSON form (ProtoJSON), in
 * which 64-bit numbers are strings and bytes are base64.
 */
export function asyncApiDocument(): Json {
  const schemas = new Map<string, Json>();
  for (const { schema } of Object.values(messages)) collect(schema, schemas);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Sightline devices',
      version: '1',
      description:
        'What camera boxes and the cloud say to each other over MQTT 3.1.1. A box may use its own topics alone: it ' +
        'publishes where the contract has it publish, and is sent the rest. Its client id is its user name, tenant/device.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/x-protobuf',
    channels: {
      ...Object.fromEntries(all.map((channel) => [nameOf(channel), channelOf(channel)])),
      [ALERTS]: alertChannel,
    },
    operations: {
      ...Object.fromEntries(all.map((channel) => operationOf(channel))),
      receiveTenantAlert: alertOperation,
    },
    components: {
      messages: { ...componentMessages(), Alert: alertMessage },
      schemas: Object.fromEntries([...schemas].sort(byName)),
    },
  };
}

const slug = (description: string): Json => ({
  description: `${description}: lower-case letters, digits and inner hyphens, at most 64.`,
});

const ALERTS = 'tenant-alert';
const alertMessage: Json = {
  name: 'Alert',
  contentType: 'application/json',
  payload: z.toJSONSchema(alertMessageSchema, { target: 'draft-7' }),
};
const alertChannel: Json = {
  address: tenantFilter('alert').replace('+', '{tenant}'),
  summary: 'Alerts of a tenant, and their retractions, for its own programs; the user name is tenant/_tenant',
  parameters: { tenant: slug('Whose alerts they are') },
  messages: { Alert: { $ref: '#/components/messages/Alert' } },
  'x-maximum-bytes': tenantChannels.alert.maximumBytes,
};
const alertOperation: Json = {
  action: 'receive',
  summary: 'An alert, or its retraction',
  channel: { $ref: `#/channels/${ALERTS}` },
  messages: [{ $ref: `#/channels/${ALERTS}/messages/Alert` }],
  bindings: { mqtt: { qos: tenantChannels.alert.qos, retain: false, bindingVersion: '0.2.0' } },
};

function channelOf(channel: Channel): Json {
  const { schema, summary } = messages[channel];
  return {
    address: `${TOPIC_ROOT}/{tenant}/{device}/${channel}`,
    summary,
    parameters: { tenant: slug('Whose box it is'), device: slug('The box') },
    messages: { [messageName(schema)]: { $ref: `#/components/messages/${messageName(schema)}` } },
    'x-maximum-bytes': channels[channel].maximumBytes,
  };
}

function operationOf(channel: Channel): readonly [string, Json] {
  const { publisher, qos, retain } = channels[channel];
  const { schema, summary } = messages[channel];
  const isSent = publisher === 'device';
  const camel = channel.replaceAll(/(?:^|\/)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const operation = {
    action: isSent ? 'send' : 'receive',
    summary,
    channel: { $ref: `#/channels/${nameOf(channel)}` },
    messages: [{ $ref: `#/channels/${nameOf(channel)}/messages/${messageName(schema)}` }],
    bindings: { mqtt: { qos, retain, bindingVersion: '0.2.0' } },
  };
  return [`${isSent ? 'send' : 'receive'}${camel}`, operation];
}

function componentMessages(): Json {
  const entries = all.map((channel) => {
    const { schema } = messages[channel];
    const payload = { $ref: `#/components/schemas/${schema.typeName}` };
    const message = { name: schema.typeName, contentType: 'application/x-protobuf', payload };
    return [messageName(schema), message] as const;
  });
  return Object.fromEntries(entries.sort(byName));
}

function collect(message: DescMessage, schemas: Map<string, Json>): void {
  if (schemas.has(message.typeName)) return;
  const properties: Record<string, Json> = {};
  schemas.set(message.typeName, { type: 'object', additionalProperties: false, properties });
  for (const field of message.fields) {
    properties[field.jsonName] = { ...schemaOf(field, schemas), 'x-protobuf-field': field.number };
  }
}

function schemaOf(field: DescField, schemas: Map<string, Json>): Json {
  switch (field.fieldKind) {
    case 'list': {
      const items = valueSchema(field.listKind, field, schemas);
      return { type: 'array', items };
    }
    case 'map': {
      const values = valueSchema(field.mapKind, field, schemas);
      return { type: 'object', additionalProperties: values };
    }
    default:
      return valueSchema(field.fieldKind, field, schemas);
  }
}

interface ValueTypes {
  readonly scalar?: ScalarType | undefined;
  readonly enum?: DescEnum | undefined;
  readonly message?: DescMessage | undefined;
}

function valueSchema(kind: 'scalar' | 'enum' | 'message', field: ValueTypes, schemas: Map<string, Json>): Json {
  if (kind === 'enum') return { type: 'string', enum: field.enum?.values.map(({ name }) => name) ?? [] };
  if (kind === 'scalar') return scalarSchema(field.scalar);
  if (field.message === undefined) return {};
  collect(field.message, schemas);
  return { $ref: `#/components/schemas/${field.message.typeName}` };
}

/** As ProtoJSON has them: https://protobuf.dev/programming-guides/json/ */
function scalarSchema(scalar: ScalarType | undefined): Json {
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: 'number' };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: 'integer', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1 };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return { type: 'string', pattern: '^-?[0-9]{1,19}$' };
    default:
      return { type: 'string', pattern: '^[0-9]{1,20}$' };
  }
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);
