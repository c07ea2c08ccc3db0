import type { PersonId } from '@sightline/kernel';

import type { sealedImage } from '../storage/image-schema.js';

export type ImageRow = typeof sealedImage.$inferSelect;

/** 64 hexadecimal digits. */
export const digestText = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
export const digestBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

/** Whom the image was kept for. */
export const personIdsOf = ({ personId, secondPersonId }: ImageRow): readonly PersonId[] =>
  [personId, secondPersonId].filter((id) => id !== null);
