import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { takeLock, writeFileDurably } from '@sightline/host';
import { AppError, ExclusiveRunner, isAppError, type Clock } from '@sightline/kernel';
import type { Metadata, Snapshot, TargetFile, Timestamp } from '@tufjs/models';

import {
  delegatedRoles,
  roleOfTarget,
  type DelegatedRole,
  type OfflineRole,
  type RoleName,
} from '../delegated-roles.js';
import {
  assignmentIn,
  buildRoot,
  buildSnapshot,
  buildTargets,
  buildTimestamp,
  defaultValidity,
  encode,
  loadState,
  type RepositoryState,
  type TargetsRole,
  type Validity,
} from './repository-metadata.js';
import type { KeyAssignment, RepositoryKeys, RoleHolders, RoleKey } from './role-keys.js';
import {
  documentsOf,
  encodeSigningSet,
  isComplete,
  parseSigningSet,
  signSet,
  type SigningSet,
  type StagedRelease,
} from './signing-request.js';

export interface ReleaseRepositoryOptions {
  /** Served to devices as it is: `metadata/` and `targets/`. What waits for signatures lies beside it. */
  readonly directory: string;
  readonly clock: Pick<Clock, 'wallMs' | 'sleep'>;
  readonly validity?: Validity;
}

/** Another process that signs is done within this, ms. */
const LOCK_PATIENCE_MS = 20_000;
const LOCK_POLL_MS = 50;

/** When a role has to be signed again. */
export interface RoleExpiry {
  readonly role: RoleName;
  readonly expiresMs: number;
  /** Half of its validity is over from then on. */
  readonly dueMs: number;
  /** Whether the keys that are here suffice to sign it again. */
  readonly isRenewable: boolean;
}

/**
 * The metadata of a repository on disk, and what of it waits for signatures.
 *
 * Invariant: `timestamp.json` is replaced last, so that whatever was interrupted before it is not part of
 * the repository and is overwritten by the next try. What waits for signatures is forgotten after it.
 */
export class MetadataStore {
  readonly #options: ReleaseRepositoryOptions;
  readonly #signers: readonly RoleKey[];
  readonly #validity: Validity;
  readonly #runner = new ExclusiveRunner();

  constructor(options: ReleaseRepositoryOptions, signers: readonly RoleKey[]) {
    this.#options = options;
    this.#signers = signers;
    this.#validity = options.validity ?? defaultValidity;
  }

  /** One change at a time, among all processes of this machine: a ceremony may be held while the registry runs. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#runner.run(async () => {
      const unlock = await this.#lock();
      return work().finally(unlock);
    });
  }

  create(keys: RepositoryKeys): Promise<void> {
    return this.exclusive(async () => {
      const { set, state } = await this.pending();
      if (state) {
        await this.#upgrade(state, keys);
        await this.assertOnlineKeys();
        return;
      }
      if (set) return;
      await mkdir(join(this.#options.directory, 'targets'), { recursive: true });
      const { assignment } = keys;
      const documents = new Map<TargetsRole, ReturnType<typeof buildTargets>>();
      documents.set('targets', buildTargets({}, this.terms('targets', undefined), assignment));
      for (const role of delegatedRoles) documents.set(role, buildTargets({}, this.terms(role, undefined)));
      const root = buildRoot(assignment, this.terms('root', undefined));
      await this.settle({ root, targets: documents, releases: [] });
    });
  }

  /** @throws AppError `RELEASE.AWAITS_SIGNATURES` before the first publication */
  async holders(): Promise<KeyAssignment> {
    const { state } = await this.pending();
    if (!state) throw new AppError('RELEASE.AWAITS_SIGNATURES', 'The repository waits for its first signatures.');
    return assignmentIn(state.root, state.targets.get('targets'));
  }

  /** @throws AppError `RELEASE.KEY_INVALID` when the keys here cannot keep what is served fresh */
  async assertOnlineKeys(): Promise<void> {
    const assignment = await this.holders();
    for (const role of ['snapshot', 'timestamp'] as const) this.#assertHeld(role, assignment[role]);
  }

  /** Signed targets, or those that are signed or wait to be. */
  async targets(which: 'published' | 'next'): Promise<ReadonlyMap<string, TargetFile>> {
    const { set, state } = await this.pending();
    const published = [...(state?.targets ?? [])];
    const documents = [...published, ...(which === 'next' ? (set?.targets ?? []) : [])];
    return new Map(documents.flatMap(([, { signed }]) => Object.entries(signed.targets)));
  }

  async revision(): Promise<number> {
    return (await this.pending()).state?.timestamp.signed.version ?? 0;
  }

  async pending(): Promise<{ readonly set: SigningSet | undefined; readonly state: RepositoryState | undefined }> {
    const state = (await exists(join(this.#metadata, 'timestamp.json'))) ? await loadState(this.#metadata) : undefined;
    const text = await readFile(this.#pendingPath, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return undefined;
    });
    const set = text === undefined ? undefined : parseSigningSet(text);
    // Published just before the power went, and not forgotten yet.
    const isStale = set && documentsOf(set).every(([role, { signed }]) => signed.version <= versionIn(state, role));
    return { set: isStale ? undefined : set, state };
  }

  async signingRequest(): Promise<string | undefined> {
    const { set, state } = await this.pending();
    return set && encodeSigningSet(set, state);
  }

  async withdraw(): Promise<void> {
    await rm(this.#pendingPath, { force: true });
  }

  /** Signs what the keys here sign, and publishes when that is enough. */
  async settle(set: SigningSet): Promise<'published' | 'staged'> {
    const { state } = await this.pending();
    for (const key of this.#signers) signSet(set, key, state);
    if (!isComplete(set, state)) {
      await writeFileDurably(this.#pendingPath, encodeSigningSet(set, state));
      return 'staged';
    }
    await this.#publish(set, state);
    return 'published';
  }

  async addTargets(files: readonly TargetFile[], release: StagedRelease): Promise<'published' | 'staged'> {
    const { set, state } = await this.pending();
    const documents = new Map(set?.targets);
    for (const role of new Set(files.flatMap(({ path }) => roleOfTarget(path) ?? []))) {
      const before = (documents.get(role) ?? state?.targets.get(role))?.signed.targets;
      const added = files.filter(({ path }) => roleOfTarget(path) === role).map((file) => [file.path, file] as const);
      // A file that is there keeps its place: releases stay in the order in which they were signed.
      documents.set(role, buildTargets({ ...before, ...Object.fromEntries(added) }, this.terms(role, state)));
    }
    return this.settle({ root: set?.root, targets: documents, releases: [...(set?.releases ?? []), release] });
  }

  /** Version and expiry of the next document of a role. */
  terms(role: RoleName, state: RepositoryState | undefined): { readonly version: number; readonly expiresMs: number } {
    return {
      version: versionIn(state, role) + 1,
      expiresMs: this.#options.clock.wallMs() + this.#validityOf(role),
    };
  }

  async expiries(): Promise<readonly RoleExpiry[]> {
    const { state } = await this.pending();
    if (!state) return [];
    const assignment = assignmentIn(state.root, state.targets.get('targets'));
    const { root, targets, snapshot, timestamp } = state;
    const documents = [['root', root], ...targets, ['snapshot', snapshot], ['timestamp', timestamp]] as const;
    return documents.map(([role, { signed }]) => {
      const expiresMs = Date.parse(signed.expires);
      const dueMs = expiresMs - this.#validityOf(role) / 2;
      return { role, expiresMs, dueMs, isRenewable: this.#suffices(assignment[role]) };
    });
  }

  async keepFresh(): Promise<number> {
    const { set, state } = await this.pending();
    if (!state) return Infinity;
    const now = this.#options.clock.wallMs();
    const renewable = (await this.expiries()).filter(({ isRenewable }) => isRenewable);
    const due = renewable.filter(({ dueMs }) => dueMs <= now).map(({ role }) => role);
    if (due.length === 0) return Math.min(...renewable.map(({ dueMs }) => dueMs));
    const assignment = assignmentIn(state.root, state.targets.get('targets'));
    const targets = new Map<TargetsRole, ReturnType<typeof buildTargets>>();
    for (const [role, { signed }] of state.targets) {
      if (!due.includes(role) || set) continue;
      const delegations = signed.delegations && assignment;
      targets.set(role, buildTargets(signed.targets, this.terms(role, state), delegations));
    }
    const root = due.includes('root') && !set ? buildRoot(assignment, this.terms('root', state)) : undefined;
    const fresh: SigningSet = { root, targets, releases: [] };
    for (const key of this.#signers) signSet(fresh, key, state);
    await this.#publish(fresh, state, { keepPending: true });
    return Math.min(...(await this.expiries()).filter(({ isRenewable }) => isRenewable).map(({ dueMs }) => dueMs));
  }

  /** Gives thresholds and delegations to a repository that has one key for each role. */
  async #upgrade(state: RepositoryState, { assignment, former }: RepositoryKeys): Promise<void> {
    const { delegations, targets: files } = state.targets.get('targets')?.signed ?? {};
    if (delegations) return;
    const holder = state.root.signed.roles.root?.keyIDs ?? [];
    if (!former || !holder.includes(former.publicKey.keyID)) {
      throw new AppError(
        'RELEASE.KEY_INVALID',
        'The repository was signed by single keys, and its root key (demo-keys/demo-root.pem) is not here. Put it ' +
          'back, or move the folder "repository" away to begin anew, and give every device the new root.',
      );
    }
    const targets = new Map<TargetsRole, ReturnType<typeof buildTargets>>();
    const of = (role: DelegatedRole | undefined) =>
      Object.fromEntries(Object.entries(files ?? {}).filter(([path]) => roleOfTarget(path) === role));
    // The models that were signed before have no task in their path, and stay in the top-level targets.
    targets.set('targets', buildTargets(of(undefined), this.terms('targets', state), assignment));
    for (const role of delegatedRoles) targets.set(role, buildTargets(of(role), this.terms(role, state)));
    const root = buildRoot(assignment, this.terms('root', state));
    const set: SigningSet = { root, targets, releases: [] };
    signSet(set, former, state);
    await this.settle(set);
  }

  async #publish(
    set: SigningSet,
    state: RepositoryState | undefined,
    { keepPending = false }: { readonly keepPending?: boolean } = {},
  ): Promise<void> {
    const root = set.root ?? state?.root;
    if (!root) throw new AppError('RELEASE.CORRUPT', 'The repository has no root.');
    const targets = new Map([...(state?.targets ?? []), ...set.targets]);
    const assignment = assignmentIn(root, undefined);
    const snapshot = buildSnapshot(targets, this.terms('snapshot', state));
    this.#signOnline('snapshot', snapshot, assignment.snapshot);
    const timestamp = buildTimestamp(snapshot, this.terms('timestamp', state));
    this.#signOnline('timestamp', timestamp, assignment.timestamp);
    for (const [role, document] of set.targets) {
      await this.#write(`${document.signed.version}.${role}.json`, encode(document));
    }
    await this.#write(`${snapshot.signed.version}.snapshot.json`, encode(snapshot));
    // After what it vouches for: a device that has the new root asks for what its new keys have signed.
    if (set.root) await this.#write(`${set.root.signed.version}.root.json`, encode(set.root));
    await this.#write('timestamp.json', encode(timestamp));
    if (!keepPending) await this.withdraw();
  }

  /** Signatures that no device accepts must never be served: they would stop the whole fleet's updates. */
  #signOnline(role: RoleName, document: Metadata<Snapshot> | Metadata<Timestamp>, holders: RoleHolders): void {
    this.#assertHeld(role, holders);
    for (const key of this.#held(holders)) document.sign((data) => key.sign(data));
  }

  #assertHeld(role: RoleName, holders: RoleHolders): void {
    if (this.#suffices(holders)) return;
    throw new AppError('RELEASE.KEY_INVALID', `The key of the role ${role} is not the one that the root names.`);
  }

  #held({ keys }: RoleHolders): readonly RoleKey[] {
    return this.#signers.filter(({ publicKey }) => keys.some(({ keyID }) => keyID === publicKey.keyID));
  }

  #suffices(holders: RoleHolders): boolean {
    return this.#held(holders).length >= holders.threshold;
  }

  #validityOf(role: RoleName): number {
    const { rootMs, targetsMs, snapshotMs, timestampMs } = this.#validity;
    const known: Partial<Record<RoleName, number>> = { root: rootMs, snapshot: snapshotMs, timestamp: timestampMs };
    return known[role] ?? targetsMs;
  }

  async #lock(): Promise<() => Promise<void>> {
    const path = `${this.#options.directory}.lock`;
    await mkdir(dirname(path), { recursive: true });
    for (let waitedMs = 0; ; waitedMs += LOCK_POLL_MS) {
      try {
        return await takeLock(path, busy);
      } catch (error) {
        if (!isAppError(error, 'RELEASE.BUSY') || waitedMs >= LOCK_PATIENCE_MS) throw error;
      }
      await this.#options.clock.sleep(LOCK_POLL_MS);
    }
  }

  get #metadata(): string {
    return join(this.#options.directory, 'metadata');
  }

  get #pendingPath(): string {
    return `${this.#options.directory}.pending.json`;
  }

  #write(name: string, bytes: Uint8Array): Promise<void> {
    return writeFileDurably(join(this.#metadata, name), bytes);
  }
}

const busy = (pid: number): AppError =>
  new AppError('RELEASE.BUSY', `Another process (${pid}) is signing.`, { retryable: true });

function versionIn(state: RepositoryState | undefined, role: RoleName | OfflineRole): number {
  if (!state) return 0;
  if (role === 'root' || role === 'snapshot' || role === 'timestamp') return state[role].signed.version;
  return state.targets.get(role)?.signed.version ?? 0;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
