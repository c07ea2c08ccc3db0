import { rest } from '@sightline/contracts';
import { addressOf, isLocalName, isPrivateAddress } from '@sightline/messaging';
import { z } from 'zod';

import { placeholders } from '../actions/action-event.js';

const absolutePath = z.string().startsWith('/', 'must be an absolute path');
const unit = z.number().min(0).max(1);

/** Where a secret is read at the start: it is never in the configuration itself. */
const secretReferenceSchema = z.union([
  z.object({ environment: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }).strict(),
  z.object({ file: absolutePath }).strict(),
]);
export type SecretReference = z.output<typeof secretReferenceSchema>;

const scheduleSchema = z
  .object({
    ...rest.weeklyScheduleShape,
    untrustedClock: z
      .enum(['refuse', 'fire'])
      .default('refuse')
      .describe(
        'What a rule that is otherwise fulfilled does while nobody knows whether the clock of the box is right.',
      ),
  })
  .strict()
  .refine(rest.hasLength, 'from and to must differ');

const conditionSchema = z
  .object({
    decision: z.enum(['identified', 'unknown', 'any']),
    source: z
      .enum(['local', 'cloud', 'either'])
      .optional()
      .describe('Whose decision. Default: either; cloud for unknown: whom the local cache lacks may be well known.'),
    groups: z.array(z.string().min(1).max(128)).min(1).optional().describe('The person is in one of them.'),
    people: z.array(rest.uuidSchema).min(1).optional().describe('Person ids.'),
    cameras: z.array(rest.slugSchema).min(1).optional().describe('Default: every camera.'),
    presentationAttack: z
      .object({ minimumLiveScore: unit })
      .strict()
      .optional()
      .describe('Refuses where the sighting has no such score.'),
    minimumQuality: unit.optional(),
    schedule: scheduleSchema.optional(),
    cooldownMs: z
      .number()
      .int()
      .min(0)
      .max(86_400_000)
      .default(0)
      .describe('For so long the rule is not fired again for the same person, or for unknown people at one camera.'),
  })
  .strict()
  .refine(
    ({ decision, groups, people }) => decision !== 'unknown' || !(groups ?? people),
    'nobody who is unknown is in groups or people',
  )
  .transform(({ source, ...condition }) => ({
    ...condition,
    source: source ?? (condition.decision === 'unknown' ? ('cloud' as const) : ('either' as const)),
  }));
export type Condition = z.output<typeof conditionSchema>;

/** Text with `{{placeholders}}`, of which there are only known ones. */
const templateSchema = z
  .string()
  .max(16_384)
  .refine(
    (text) => [...text.matchAll(/\{\{(.*?)\}\}/g)].every(([, name]) => placeholders.includes(name ?? '')),
    `may have the placeholders ${placeholders.join(', ')} alone`,
  );

const timeoutMs = z.number().int().min(50).max(60_000).default(3000);
const withoutCredentials = ({ username, password }: URL): boolean => username === '' && password === '';
const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);

const webhookSchema = z
  .object({
    kind: z.literal('webhook'),
    url: z
      .union([z.url({ protocol: /^https?$/ }), secretReferenceSchema])
      .describe('By reference when it holds a secret.'),
    method: z.enum(['POST', 'PUT', 'PATCH']).default('POST'),
    headers: z.record(headerName, secretReferenceSchema).default({}),
    signingSecret: secretReferenceSchema.optional().describe('Of the HMAC in the header Sightline-Signature.'),
    timeoutMs: timeoutMs.describe('Of one attempt, with its answer.'),
    certificateAuthorityFile: absolutePath.optional().describe('PEM; in the place of the authorities known to Node.'),
    allowPublicPlainText: z.boolean().default(false).describe('http to addresses outside of private networks.'),
  })
  .strict()
  .refine(
    ({ url }) => typeof url !== 'string' || withoutCredentials(new URL(url)),
    'url must not hold credentials: give it, or a header, by reference',
  );
export type WebhookConfig = z.output<typeof webhookSchema>;

const mqttSchema = z
  .object({
    kind: z.literal('mqtt'),
    url: z.url({ protocol: /^mqtts?$/ }).describe('Of a local broker.'),
    username: z.string().min(1).optional(),
    password: secretReferenceSchema.optional(),
    topic: templateSchema
      .refine((text) => text !== '' && !/[+#\0]/.test(text), 'must not be empty or have wildcards')
      .describe('May have placeholders.'),
    payload: templateSchema.optional().describe('May have placeholders. Default: the event, JSON.'),
    timeoutMs,
    certificateAuthorityFile: absolutePath.optional().describe('PEM; in the place of the authorities known to Node.'),
    allowPublicPlainText: z.boolean().default(false).describe('mqtt to hosts outside of private networks.'),
  })
  .strict()
  .refine(({ url }) => withoutCredentials(new URL(url)), 'url must not hold credentials')
  .refine(
    ({ url, allowPublicPlainText }) => allowPublicPlainText || isEncryptedOrLocal(url),
    'mqtt goes to private addresses and local names alone: use mqtts, or set allowPublicPlainText',
  );
export type MqttActionConfig = z.output<typeof mqttSchema>;

const commandSchema = z
  .object({
    kind: z.literal('command'),
    program: absolutePath.describe('Started without a shell.'),
    arguments: z.array(templateSchema).max(100).default([]).describe('May have placeholders.'),
    environment: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.union([z.string(), secretReferenceSchema]))
      .default({})
      .describe('All of its environment.'),
    timeoutMs: timeoutMs.describe('Then it gets SIGTERM, and SIGKILL 500 ms later, with all that it started.'),
  })
  .strict();
export type CommandConfig = z.output<typeof commandSchema>;

const actionRuleSchema = z
  .object({
    id: rest.slugSchema,
    when: conditionSchema,
    do: z.discriminatedUnion('kind', [webhookSchema, mqttSchema, commandSchema]),
    maximumDelayMs: z
      .number()
      .int()
      .min(50)
      .max(60_000)
      .default(2000)
      .describe('From the capture of the decisive frame: what could not start by then never does.'),
    retry: z.boolean().default(true).describe('Within maximumDelayMs, when it is certain that nothing was received.'),
    concurrency: z.number().int().min(1).max(16).default(4).describe('Of this rule; rules do not wait for each other.'),
    queueLimit: z.number().int().min(0).max(1000).default(16).describe('What waits for its turn at most.'),
  })
  .strict();
export type ActionRule = z.output<typeof actionRuleSchema>;

/** What the box does by itself when a sighting is decided. */
export const actionsSchema = z
  .array(actionRuleSchema)
  .max(64)
  .refine((rules) => new Set(rules.map(({ id }) => id)).size === rules.length, 'ids of actions must differ')
  .default([]);

function isEncryptedOrLocal(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'mqtts:') return true;
  const address = addressOf(hostname);
  return address === undefined ? isLocalName(hostname) : isPrivateAddress(address);
}
