import { rest } from '@sightline/contracts';

/**
 * How long a tenant keeps what it has not said anything about, days. Sightings and who it was for a quarter of a year:
 * long enough to settle a month's attendance. What could not be read may hold templates, and is kept as long as it
 * takes to look at it. Images are to be looked at soon, or not at all.
 */
const defaults: Readonly<Record<rest.RetentionKind, number | null>> = {
  sightings: 90,
  identifications: 90,
  quarantine: 30,
  'device-health': 180,
  alerts: 90,
  images: 14,
  'drift-reports': 400,
};

export interface KeptFor {
  readonly kind: rest.RetentionKind;
  /** Null: for ever. */
  readonly days: number | null;
  readonly isDefault: boolean;
}

/** What a tenant has said, filled up with the defaults. */
export function retentionOf(said: ReadonlyMap<string, number | null>): readonly KeptFor[] {
  return rest.retentionKinds.map((kind) => {
    const days = said.get(kind);
    return days === undefined ? { kind, days: defaults[kind], isDefault: true } : { kind, days, isDefault: false };
  });
}

/** @returns before when something is deleted; undefined: never */
export function expiryOf({ days }: Pick<KeptFor, 'days'>, now: Date): Date | undefined {
  return days === null ? undefined : new Date(now.getTime() - days * 86_400_000);
}
