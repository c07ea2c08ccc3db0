import { AppError, type Sha256 } from '@sightline/kernel';
import { z } from 'zod';

import { roleOfTarget, type ModelRole } from './delegated-roles.js';

/** TUF target of the manifest of a version. */
export const manifestTarget = (version: string): string => `releases/${version}/manifest.json`;

/** The tasks as a manifest names them → the roles that sign their files. */
export const modelRoles = {
  detector: 'detector',
  landmarks: 'landmarks',
  embedder: 'embedder',
  presentationAttack: 'presentation-attack',
} as const satisfies Record<string, ModelRole>;

/** TUF target of a model file. The digest is part of the name: two releases may both have an `embedder.onnx`. */
export const modelTarget = (task: keyof typeof modelRoles, sha256: Sha256, fileName: string): string =>
  `models/${modelRoles[task]}/${sha256}/${fileName}`;

/** Whether a target is one of a task's. Repositories of before the delegations named no task. */
export function isTargetOfTask(task: keyof typeof modelRoles, target: string): boolean {
  return roleOfTarget(target) === modelRoles[task] || /^models\/[0-9a-f]{64}\/[^/]+$/.test(target);
}

/** TUF target of a channel: which release a device takes when nobody told it which. */
export const channelTarget = (channel: string): string => `channels/${channel}.json`;

/**
 * Where a target lies below `targets/` in a repository with consistent snapshots: its digest before its
 * name (TUF 1.0.31, 6.1), so that a file never changes under its address.
 */
export function targetUrlPath(target: string, sha256: Sha256): string {
  const slash = target.lastIndexOf('/') + 1;
  return `${target.slice(0, slash)}${sha256}.${target.slice(slash)}`;
}

const channelSchema = z.object({
  formatVersion: z.literal(1),
  version: z.string(),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform((text) => text as Sha256),
});
export type ChannelPointer = Omit<z.infer<typeof channelSchema>, 'formatVersion'>;

/** The bytes of a channel target. */
export function encodeChannel(version: string, digest: Sha256): Buffer {
  return Buffer.from(`${JSON.stringify({ formatVersion: 1, version, digest })}\n`);
}

/** @throws AppError `RELEASE.CORRUPT` */
export function parseChannel(bytes: Uint8Array): ChannelPointer {
  try {
    return channelSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new AppError('RELEASE.CORRUPT', 'The channel document cannot be read.', { cause });
  }
}
