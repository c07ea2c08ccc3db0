import type { rest } from '@sightline/contracts';
import { AMBIGUITY_MARGIN, type FalseMatchTarget } from '@sightline/matching';

/** As stored: what a tenant has set, and nothing else. */
export type StoredPolicy = Pick<rest.DecisionPolicy, 'rules' | 'uses' | 'places' | 'retention' | 'recalibrations'>;

export type DecisionRetention = rest.DecisionPolicy['effectiveRetention'];

/** Where a sighting was made, as far as that is known. */
export interface Place {
  readonly siteId?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly cameraId?: string | undefined;
}

/** The rules of one decision, and where they come from. */
export interface ResolvedRules {
  readonly use: rest.DecisionUse;
  readonly policyVersion: number;
  readonly target: FalseMatchTarget;
  readonly margin: number;
  readonly minimumQuality: number;
  /** 0: presentations are reported alone. */
  readonly requiredLiveScore: number;
  readonly siteOnly: boolean;
  readonly groups: readonly string[];
  /** Of the place's site, for whichever embedder variants. */
  readonly recalibrations: StoredPolicy['recalibrations'];
}

/** A tenant's policy with what holds where it says nothing. */
export interface TenantPolicy {
  readonly version: number;
  readonly changedAt: Date | null;
  readonly policy: StoredPolicy;
}

export const noPolicy: TenantPolicy = {
  version: 0,
  changedAt: null,
  policy: { rules: {}, uses: {}, places: [], retention: {}, recalibrations: [] },
};

const RETENTION: DecisionRetention = { reviewHours: 168, unknownHours: 0, hardNegativeDays: 365 };

/** A door that opens for a stranger costs more than one that is asked twice; a watch-list is looked through by people. */
const USES: Readonly<Partial<Record<rest.DecisionUse, rest.SomeDecisionRules>>> = {
  access: { falsePositiveRate: 1e-3 },
  'watch-list': { falsePositiveRate: 0.03 },
};

/** The rules of a use, without those of places. */
export function rulesOfUse(
  { rules, uses }: Pick<StoredPolicy, 'rules' | 'uses'>,
  use: rest.DecisionUse,
  target: FalseMatchTarget,
): rest.DecisionRules {
  const byDefault: rest.DecisionRules = {
    falseMatchRate: target.falseMatchRate,
    falsePositiveRate: target.falsePositiveRate ?? null,
    margin: AMBIGUITY_MARGIN,
    minimumQuality: 0,
    presentation: { mode: 'report' },
    siteOnly: false,
    groups: [],
  };
  return { ...byDefault, ...given(USES[use]), ...given(rules), ...given(uses[use]) };
}

/**
 * The rules of a sighting: by default, of its use, of the tenant, of the tenant for the use, of its place; what comes
 * later counts. Of several places that fit, the one counts that says most, a camera more than a device, a device more
 * than a site; of equals the first.
 *
 * @param use what it is for, where that does not depend on the place
 */
export function resolveRules(
  { policy, version }: TenantPolicy,
  at: Place,
  { target, use }: { readonly target: FalseMatchTarget; readonly use?: rest.DecisionUse | undefined },
): ResolvedRules {
  const place = policy.places
    .filter((candidate) => fits(candidate, at))
    .reduce<StoredPolicy['places'][number] | undefined>(
      (best, candidate) => (best === undefined || weightOf(candidate) > weightOf(best) ? candidate : best),
      undefined,
    );
  const resolvedUse = use ?? place?.use ?? 'general';
  const rules = { ...rulesOfUse(policy, resolvedUse, target), ...(use === undefined && given(place?.rules)) };
  const { falseMatchRate, falsePositiveRate, margin, minimumQuality, presentation, siteOnly, groups } = rules;
  return {
    use: resolvedUse,
    policyVersion: version,
    target: { falseMatchRate, falsePositiveRate: falsePositiveRate ?? undefined },
    requiredLiveScore: presentation.mode === 'require' ? presentation.liveScore : 0,
    ...{ margin, minimumQuality, siteOnly, groups },
    recalibrations: policy.recalibrations.filter(({ siteId }) => siteId === at.siteId),
  };
}

/** What is added to the thresholds of a calibration, a difference of cosines. */
export function offsetFor({ recalibrations }: Pick<ResolvedRules, 'recalibrations'>, variantDigest: string): number {
  return recalibrations.find((one) => one.variantDigest === variantDigest)?.offset ?? 0;
}

export function retentionOf({ policy }: TenantPolicy): DecisionRetention {
  return { ...RETENTION, ...given(policy.retention) };
}

/** Whether a sighting's site must be known to resolve its rules. */
export function dependsOnSites({ policy: { rules, uses, places, recalibrations } }: TenantPolicy): boolean {
  return (
    recalibrations.length > 0 ||
    [rules, ...Object.values(uses), ...places.map((place) => place.rules)].some((own) => own?.siteOnly) ||
    places.some(({ siteId }) => siteId !== undefined)
  );
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without what is not given, so that it does not hide what is given elsewhere. */
function given<T extends object>(values: T | undefined): Given<T> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => value !== undefined)) as Given<T>;
}

function fits(place: StoredPolicy['places'][number], at: Place): boolean {
  return (
    (place.siteId === undefined || place.siteId === at.siteId) &&
    (place.deviceId === undefined || place.deviceId === at.deviceId) &&
    (place.cameraId === undefined || place.cameraId === at.cameraId)
  );
}

function weightOf({ siteId, deviceId, cameraId }: StoredPolicy['places'][number]): number {
  return (cameraId === undefined ? 0 : 4) + (deviceId === undefined ? 0 : 2) + (siteId === undefined ? 0 : 1);
}
