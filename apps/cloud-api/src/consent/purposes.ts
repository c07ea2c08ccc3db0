import { rest } from '@sightline/contracts';

/** What a record says of one purpose. */
export interface ConsentRecord {
  readonly purpose: rest.Purpose;
  readonly givenAt: Date;
  readonly expiresAt: Date | null;
  readonly withdrawnAt: Date | null;
}

export interface Permission {
  /** In the order of their names. */
  readonly permitted: readonly rest.Purpose[];
  /** When that changes by itself; null: never. */
  readonly changesAt: Date | null;
}

/** Purposes that cameras identify for. */
export const cameraPurposes: readonly rest.Purpose[] = ['access', 'attendance', 'watch-list'];

/**
 * What somebody may be matched for. A valid record permits its purpose. Without one it is permitted as long as the
 * tenant does not require a record and none has ended: what was withdrawn or has expired is a no.
 */
export function permissionOf(
  records: readonly ConsentRecord[],
  required: readonly rest.Purpose[],
  now: Date,
): Permission {
  const permitted = rest.purposes.filter((purpose) => {
    const own = records.filter((record) => record.purpose === purpose);
    if (own.some((record) => isValid(record, now))) return true;
    return !required.includes(purpose) && !own.some((record) => hasEnded(record, now));
  });
  const changes = records
    .filter(({ withdrawnAt }) => withdrawnAt === null)
    .flatMap(({ givenAt, expiresAt }) => [givenAt, ...(expiresAt === null ? [] : [expiresAt])])
    .filter((time) => time > now)
    .sort((one, other) => one.getTime() - other.getTime());
  return { permitted: [...permitted].sort(), changesAt: changes[0] ?? null };
}

/** Whether somebody with these purposes may be found by an identification for a use. */
export function isPermitted(permitted: readonly rest.Purpose[], use: rest.DecisionUse): boolean {
  if (use !== 'general') return permitted.includes(use);
  return cameraPurposes.some((purpose) => permitted.includes(purpose));
}

const hasEnded = ({ expiresAt, withdrawnAt }: ConsentRecord, now: Date): boolean =>
  withdrawnAt !== null || (expiresAt !== null && expiresAt <= now);

const isValid = (record: ConsentRecord, now: Date): boolean => record.givenAt <= now && !hasEnded(record, now);
