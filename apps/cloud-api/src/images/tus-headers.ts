import type { IncomingHttpHeaders } from 'node:http';

import { rest } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';

import type { Checksum } from './receive-part.js';

// The headers of tus resumable uploads 1.0.0: https://tus.io/protocols/resumable-upload

export const TUS_VERSION = '1.0.0';

/** Core, Tus-Resumable: another version is not processed. @throws AppError `SEALED_IMAGE.UNKNOWN_VERSION` */
export function requireVersion(headers: IncomingHttpHeaders): void {
  if (headers['tus-resumable'] === TUS_VERSION) return;
  throw new AppError('SEALED_IMAGE.UNKNOWN_VERSION', `Send Tus-Resumable: ${TUS_VERSION}.`);
}

/** Core, Upload-Offset. @throws AppError `REQUEST.INVALID` */
export const offsetOf = (headers: IncomingHttpHeaders): number => count(headers, 'upload-offset');

/** Creation, Upload-Length. @throws AppError `REQUEST.INVALID` */
export const announcedLength = (headers: IncomingHttpHeaders): number => count(headers, 'upload-length');

/**
 * Creation, Upload-Metadata: pairs of a key and a value in base64, with commas between them.
 *
 * @throws AppError `REQUEST.INVALID`
 */
export function announcedDigest(headers: IncomingHttpHeaders): string {
  const pairs = textOf(headers, 'upload-metadata')
    .split(',')
    .map((pair) => pair.trim().split(' '));
  const value = pairs.find(([key]) => key === 'digest')?.[1] ?? '';
  const digest = rest.imageDigestSchema.safeParse(Buffer.from(value, 'base64').toString('latin1'));
  if (!digest.success) throw new AppError('REQUEST.INVALID', 'Upload-Metadata has the digest of the sealed image.');
  return digest.data;
}

const checksumPattern = /^(sha1|sha256) ([A-Za-z0-9+/]+={0,2})$/;

/** Checksum, Upload-Checksum; undefined where there is none. @throws AppError `REQUEST.INVALID` */
export function checksumOf(headers: IncomingHttpHeaders): Checksum | undefined {
  if (headers['upload-checksum'] === undefined) return undefined;
  const [, algorithm, digest = ''] = checksumPattern.exec(textOf(headers, 'upload-checksum')) ?? [];
  if (algorithm !== 'sha1' && algorithm !== 'sha256') {
    throw new AppError('REQUEST.INVALID', 'Upload-Checksum names sha1 or sha256, and a digest in base64.');
  }
  return { algorithm, digest: new Uint8Array(Buffer.from(digest, 'base64')) };
}

function count(headers: IncomingHttpHeaders, name: string): number {
  const text = textOf(headers, name);
  if (!/^\d{1,15}$/.test(text)) throw new AppError('REQUEST.INVALID', `The header ${name} is a number of bytes.`);
  return Number(text);
}

function textOf(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}
