import { z } from 'zod';

import { labelSchema, pageOf, pageQuerySchema, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { hasLength, weeklyScheduleShape } from './weekly-schedule.js';

export const alertKindSchema = z
  .enum(['watch-list', 'drift', 'retraining'])
  .describe('watch-list: somebody on one was seen. drift, retraining: of the models.');

export const alertPolicySchema = z
  .object({
    cooldownSeconds: z
      .number()
      .int()
      .min(0)
      .max(86_400)
      .describe('For so long before and after an alert there is no other of the same person, watch-list and place.'),
    cooldownPlace: z.enum(['camera', 'site']).describe('What counts as the same place.'),
    lateAfterSeconds: z.number().int().min(1).max(86_400).describe('An alert that is older when it is raised is late.'),
    maximumAgeSeconds: z
      .number()
      .int()
      .min(60)
      .max(2_592_000)
      .describe('Of what was seen longer ago, as by a box that had been away, there is no alert.'),
  })
  .strict()
  .meta({ id: 'AlertPolicy' });
export type AlertPolicy = z.infer<typeof alertPolicySchema>;

export const alertStateSchema = z.enum(['open', 'acknowledged', 'retracted']);
export type AlertState = z.infer<typeof alertStateSchema>;

const alertFields = {
  id: uuidSchema,
  kind: alertKindSchema,
  state: alertStateSchema.describe('retracted: it was not this person; whether it was acknowledged before is kept.'),
  raisedAt: timestampSchema,
  occurredAt: timestampSchema.describe('When it was the case: of a sighting, when the person was seen.'),
  late: z.boolean().describe('It was known late, as from a box that had been away.'),
  ageSeconds: z.number().describe('From the occurrence to the raising.'),
  siteId: z.string().nullable(),
  deviceId: z.string().nullable(),
  cameraId: z.string().nullable(),
  watchList: z.string().nullable(),
  outcome: z.literal('identified').nullable().describe('Nothing else alerts.'),
  personId: uuidSchema.nullable().describe('Null of other kinds, and once the person was erased.'),
  sightingId: uuidSchema.nullable(),
  identificationId: z.string().nullable().describe('`{sighting}:{revision}`, of the decision that raised it.'),
  score: z.number().nullable().describe('Cosine similarity to the person, -1 to 1.'),
  details: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .describe('Of the other kinds.'),
  retractedAt: timestampSchema.nullable(),
  retraction: z.enum(['revised', 'reviewed']).nullable().describe('By a later revision of the sighting, or a review.'),
  acknowledgedAt: timestampSchema.nullable(),
  acknowledgedBy: z.string().nullable(),
} as const;

export const alertSchema = z.object(alertFields).meta({ id: 'Alert' });
export type Alert = z.infer<typeof alertSchema>;

export const alertPageSchema = pageOf(alertSchema, 'AlertPage');
export type AlertPage = z.infer<typeof alertPageSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const alertQuerySchema = pageQuerySchema
  .extend({
    kind: alertKindSchema.optional(),
    state: alertStateSchema.optional(),
    siteId: slugSchema.optional(),
    watchList: slugSchema.optional(),
  })
  .strict();
export type AlertQuery = z.infer<typeof alertQuerySchema>;

const deliveryAttemptSchema = z.object({
  at: timestampSchema,
  statusCode: z.number().int().nullable().describe('Of the answer; null: there was none.'),
  code: z.string().nullable().describe('Why it failed; null: it did not.'),
  durationMs: z.number(),
});

export const alertDeliverySchema = z
  .object({
    id: uuidSchema,
    subscriptionId: uuidSchema,
    event: z.enum(['raised', 'retracted']),
    state: z.enum(['pending', 'delivered', 'failed', 'cancelled']),
    createdAt: timestampSchema,
    nextAttemptAt: timestampSchema.nullable().describe('Of a pending one; a paused subscription may take longer.'),
    attempts: z.array(deliveryAttemptSchema).describe('The latest 50, in their order. Bodies are not kept.'),
  })
  .meta({ id: 'AlertDelivery' });
export type AlertDelivery = z.infer<typeof alertDeliverySchema>;

export const alertDetailSchema = z
  .object({ ...alertFields, deliveries: z.array(alertDeliverySchema) })
  .meta({ id: 'AlertDetail' });
export type AlertDetail = z.infer<typeof alertDetailSchema>;

export const redeliverAlertSchema = z
  .object({ subscriptionId: uuidSchema.optional().describe('Default: every subscription that it was delivered to.') })
  .strict()
  .meta({ id: 'RedeliverAlert' });
export type RedeliverAlert = z.infer<typeof redeliverAlertSchema>;

/** What a subscriber is told: the body of a webhook, the payload over MQTT. */
export const alertMessageSchema = z.object({
  id: z.string().describe('The same for every attempt and redelivery: what a receiver recognises a message by.'),
  type: z.enum(['alert.raised', 'alert.retracted', 'alert.test']),
  timestamp: timestampSchema.describe('When the alert was raised or retracted.'),
  data: z.object({
    tenantId: z.string(),
    // Without a name of its own: the AsyncAPI document has it in its place.
    alert: z.object(alertFields),
    identification: z.string().nullable().describe('Path of the decision: who may ask for it finds the name there.'),
  }),
});
export type AlertMessage = z.infer<typeof alertMessageSchema>;

const urlSchema = z
  .url({ protocol: /^https?$/ })
  .max(2000)
  .refine((url) => URL.canParse(url) && new URL(url).username === '' && new URL(url).password === '', 'no credentials')
  .describe('https, to an address of the internet, unless the installation allows others.');

const webhookChannelSchema = z.object({ kind: z.literal('webhook'), url: urlSchema }).strict();
const mqttChannelSchema = z
  .object({ kind: z.literal('mqtt') })
  .strict()
  .describe('sightline/v1/{tenant}/_tenant/alert, QoS 1, never retained.');

const weeklyScheduleSchema = z.object(weeklyScheduleShape).strict().refine(hasLength, 'from and to must differ');

const subscriptionFields = {
  label: labelSchema,
  kinds: z.array(alertKindSchema).max(3).describe('Empty: every kind.'),
  watchLists: z.array(slugSchema).max(100).describe('Ids of groups. Empty: every watch-list.'),
  sites: z.array(slugSchema).max(1000).describe('Empty: every site, and what belongs to none.'),
  schedule: weeklyScheduleSchema
    .nullable()
    .describe('When it occurred, by the clock on the wall of the zone. Null: always.'),
};

export const createAlertSubscriptionSchema = z
  .object({
    label: subscriptionFields.label,
    kinds: subscriptionFields.kinds.default([]),
    watchLists: subscriptionFields.watchLists.default([]),
    sites: subscriptionFields.sites.default([]),
    schedule: subscriptionFields.schedule.default(null),
    channel: z.discriminatedUnion('kind', [webhookChannelSchema, mqttChannelSchema]),
  })
  .strict()
  .meta({ id: 'CreateAlertSubscription' });
export type CreateAlertSubscription = z.output<typeof createAlertSubscriptionSchema>;

export const changeAlertSubscriptionSchema = z
  .object({
    label: subscriptionFields.label.optional(),
    kinds: subscriptionFields.kinds.optional(),
    watchLists: subscriptionFields.watchLists.optional(),
    sites: subscriptionFields.sites.optional(),
    schedule: subscriptionFields.schedule.optional(),
    url: urlSchema.optional().describe('Of a webhook.'),
    enabled: z.boolean().optional().describe('true also ends what had disabled it.'),
  })
  .strict()
  .refine((changes) => Object.values(changes).some((value) => value !== undefined), 'at least one field')
  .meta({ id: 'ChangeAlertSubscription' });
export type ChangeAlertSubscription = z.output<typeof changeAlertSubscriptionSchema>;

export const alertSubscriptionSchema = z
  .object({
    id: uuidSchema,
    ...subscriptionFields,
    channel: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('webhook'), url: z.string() }),
      z.object({ kind: z.literal('mqtt'), topic: z.string() }),
    ]),
    enabled: z.boolean(),
    disabledReason: z
      .enum(['request', 'gone', 'failing'])
      .nullable()
      .describe('gone: the receiver answered 410. failing: nothing arrived for five days.'),
    failingSince: timestampSchema.nullable().describe('Since when every attempt has failed; null: the last did not.'),
    pausedUntil: timestampSchema.nullable().describe('Nothing is sent before, because attempts failed or it asked so.'),
    secretRotatedAt: timestampSchema.nullable().describe('Of a webhook.'),
    previousSecretExpiresAt: timestampSchema.nullable().describe('Until then messages carry both signatures.'),
    createdAt: timestampSchema,
  })
  .meta({ id: 'AlertSubscription' });
export type AlertSubscription = z.infer<typeof alertSubscriptionSchema>;

export const alertSubscriptionPageSchema = pageOf(alertSubscriptionSchema, 'AlertSubscriptionPage');
export type AlertSubscriptionPage = z.infer<typeof alertSubscriptionPageSchema>;

export const newAlertSubscriptionSchema = z
  .object({
    subscription: alertSubscriptionSchema,
    secret: z.string().nullable().describe('Of a webhook; shown this once: whsec_ and base64 of 32 bytes.'),
  })
  .meta({ id: 'NewAlertSubscription' });
export type NewAlertSubscription = z.infer<typeof newAlertSubscriptionSchema>;

export const rotateAlertSecretSchema = z
  .object({
    previousValidHours: z
      .number()
      .int()
      .min(0)
      .max(720)
      .default(24)
      .describe('How long messages are signed with the old secret too.'),
  })
  .strict()
  .meta({ id: 'RotateAlertSecret' });
export type RotateAlertSecret = z.output<typeof rotateAlertSecretSchema>;

export const alertTestSchema = z
  .object({
    delivered: z.boolean(),
    statusCode: z.number().int().nullable(),
    code: z.string().nullable().describe('Why it was not delivered.'),
    durationMs: z.number(),
  })
  .meta({ id: 'AlertTest' });
export type AlertTest = z.infer<typeof alertTestSchema>;
