import type { Decision } from './decision.js';

/** Whose events they are. */
export interface ActionOrigin {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly siteId: string;
}

/** What an action tells: ids, never a name and never a template. */
export interface ActionEvent extends ActionOrigin {
  /** Format of the event. */
  readonly version: 1;
  /** The same for one rule and sighting, however often it arrives. */
  readonly eventId: string;
  readonly ruleId: string;
  readonly cameraId: string;
  readonly sightingId: string;
  readonly revision: number;
  readonly decision: {
    readonly outcome: Decision['outcome'];
    readonly personId: string | null;
    readonly score: number;
    readonly source: Decision['source'];
  };
  readonly quality: number;
  readonly liveScore: number | null;
  /** Of the decisive frame, by the box's clock. */
  readonly capturedAt: string;
  readonly clockSynchronised: boolean;
  /** From the capture of the decisive frame to the making of this text, ms, by the monotonic clock. */
  readonly ageMs: number;
}

/** Names that a text may have in `{{…}}`. None of the values needs escaping in JSON. */
export const placeholders: readonly string[] = [
  'eventId',
  'ruleId',
  'tenantId',
  'deviceId',
  'siteId',
  'cameraId',
  'sightingId',
  'revision',
  'outcome',
  'personId',
  'score',
  'source',
  'quality',
  'liveScore',
  'capturedAt',
  'ageMs',
];

/** Puts an event's values into a text; what the event lacks is empty. */
export function fillPlaceholders(text: string, { decision, ...event }: ActionEvent): string {
  const values: Readonly<Record<string, string | number | boolean | null>> = { ...event, ...decision };
  return text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name] ?? ''));
}

/** @param time `wallMs` and `ageMs` at the making of the event */
export function actionEvent(
  ruleId: string,
  origin: ActionOrigin,
  decision: Decision,
  { wallMs, isTrusted, ageMs }: { readonly wallMs: number; readonly isTrusted: boolean; readonly ageMs: number },
): ActionEvent {
  const { sightingId, revision, cameraId, outcome, personId, score, source, quality, liveScore } = decision;
  return {
    version: 1,
    eventId: `${sightingId}.${ruleId}`,
    ruleId,
    ...origin,
    cameraId,
    sightingId,
    revision,
    decision: { outcome, personId: personId ?? null, score: rounded(score), source },
    quality: rounded(quality),
    liveScore: liveScore === undefined ? null : rounded(liveScore),
    capturedAt: new Date(wallMs - ageMs).toISOString(),
    clockSynchronised: isTrusted,
    ageMs: Math.round(ageMs),
  };
}

/** To the four digits that mean something. */
function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
