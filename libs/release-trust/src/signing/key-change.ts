import { AppError } from '@sightline/kernel';
import type { Key } from '@tufjs/models';

import { delegatedRoles, roleNames, type DelegatedRole, type OfflineRole, type RoleName } from '../delegated-roles.js';
import {
  assignmentIn,
  buildRoot,
  buildTargets,
  type RepositoryState,
  type TargetsRole,
} from './repository-metadata.js';
import type { KeyAssignment, RoleHolders } from './role-keys.js';
import type { SigningSet } from './signing-request.js';

/** Keys to take from roles and to give to them. */
export interface KeyChange {
  /** Default: every role that has the key which is removed. */
  readonly roles?: readonly RoleName[];
  /** Key id. */
  readonly remove?: string;
  readonly add?: Key;
  /** So many have to sign for these roles from now on. Default: as many as before. */
  readonly threshold?: number;
}

interface Before {
  readonly set: SigningSet | undefined;
  readonly state: RepositoryState | undefined;
  /** Version and expiry of the next document of a role. */
  readonly terms: (role: OfflineRole) => { readonly version: number; readonly expiresMs: number };
}

/**
 * The documents that change who signs: a new root for the top-level roles, new targets for the delegated ones, and
 * each role whose holders changed, for those to sign.
 *
 * @throws AppError `RELEASE.KEY_INVALID` when nothing changes, or a role would have fewer keys than its threshold
 */
export function changedKeys(change: KeyChange, { set, state, terms }: Before): SigningSet {
  const latest = set?.root ?? state?.root;
  const documentOf = (role: TargetsRole) => set?.targets.get(role) ?? state?.targets.get(role);
  const targets = documentOf('targets');
  if (!latest || !targets) throw invalid('There is no repository yet.');
  const before = assignmentIn(latest, targets);
  const roles = rolesOf(change, before);
  const changed = roles.map((role) => [role, changedHolders(role, before[role], change)] as const);
  const after: KeyAssignment = { ...before, ...Object.fromEntries(changed) };
  const documents = new Map(set?.targets);
  for (const role of roles.filter(isDelegated)) {
    documents.set(role, buildTargets(documentOf(role)?.signed.targets ?? {}, terms(role)));
  }
  if (roles.some((role) => role === 'targets' || isDelegated(role))) {
    documents.set('targets', buildTargets(targets.signed.targets, terms('targets'), after));
  }
  // The root names the holders of the top-level roles.
  const root = roles.every(isDelegated) ? set?.root : buildRoot(after, terms('root'));
  return { releases: [], ...set, root, targets: documents };
}

function rolesOf(change: KeyChange, before: KeyAssignment): readonly RoleName[] {
  const roles = change.roles ?? roleNames.filter((role) => holds(before[role], change.remove));
  if (roles.length === 0) throw invalid('No role has such a key.');
  return roles;
}

const isDelegated = (role: RoleName): role is DelegatedRole => (delegatedRoles as readonly string[]).includes(role);

const holds = ({ keys }: RoleHolders, id: string | undefined): boolean => keys.some(({ keyID }) => keyID === id);

function changedHolders(role: RoleName, before: RoleHolders, { remove, add, threshold }: KeyChange): RoleHolders {
  if (remove !== undefined && !holds(before, remove)) throw invalid(`The role ${role} has no such key.`);
  const kept = before.keys.filter(({ keyID }) => keyID !== remove && keyID !== add?.keyID);
  const after = { keys: add ? [...kept, add] : kept, threshold: threshold ?? before.threshold };
  if (after.threshold < 1 || after.keys.length < after.threshold) {
    throw invalid(`The role ${role} would have ${after.keys.length} keys of which ${after.threshold} have to sign.`);
  }
  return after;
}

function invalid(message: string): AppError {
  return new AppError('RELEASE.KEY_INVALID', message);
}
