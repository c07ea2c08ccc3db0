/**
 * Which part of the repository each delegated role answers for (TUF 1.0.31, 4.5). The parts do not overlap, and every
 * delegation ends the search, so that the keys of one task can never speak for another.
 */
export const delegatedPaths = {
  detector: 'models/detector/*/*',
  landmarks: 'models/landmarks/*/*',
  embedder: 'models/embedder/*/*',
  'presentation-attack': 'models/presentation-attack/*/*',
  releases: 'releases/*/manifest.json',
  channels: 'channels/*.json',
} as const;

export type DelegatedRole = keyof typeof delegatedPaths;

/** What signs model files of a task. */
export type ModelRole = Exclude<DelegatedRole, 'releases' | 'channels'>;

export const delegatedRoles = Object.keys(delegatedPaths) as readonly DelegatedRole[];

/** Roles whose keys stay off the machine that serves the repository. */
export type OfflineRole = 'root' | 'targets' | DelegatedRole;

export type OnlineRole = 'snapshot' | 'timestamp';

export type RoleName = OfflineRole | OnlineRole;

export const roleNames: readonly RoleName[] = ['root', 'targets', ...delegatedRoles, 'snapshot', 'timestamp'];

/** The role that answers for a target; undefined where none does. */
export function roleOfTarget(target: string): DelegatedRole | undefined {
  return delegatedRoles.find((role) => patternOf(delegatedPaths[role]).test(target));
}

/** `*` is anything but a slash, as in a shell (TUF 1.0.31, 4.5). */
function patternOf(path: string): RegExp {
  const escaped = path.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('[^/]+')}$`);
}
