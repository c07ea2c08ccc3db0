import { crc32, deflateSync } from 'node:zlib';

import { samplePhotos } from '@sightline/testing';
import sharp, { type Region } from 'sharp';

/** Faces of the sample photos, with their shoulders: nobody else is in the crop. */
const FIRST = { photo: 0, region: { left: 742, top: 320, width: 379, height: 464 } } as const;
const SECOND = { photo: 2, region: { left: 953, top: 43, width: 467, height: 643 } } as const;

const crop = ({ photo, region }: { readonly photo: number; readonly region: Region }) =>
  sharp(samplePhotos()[photo]).extract(region).jpeg({ quality: 92 }).toBuffer();

/** A good photo of one person. */
export const portrait = (): Promise<Buffer> => crop(FIRST);

/** Two people side by side. */
export async function twoFaces(): Promise<Buffer> {
  const [first, second] = await Promise.all([crop(FIRST), crop(SECOND)]);
  const background = sharp({ create: { width: 900, height: 700, channels: 3, background: '#777' } });
  return background
    .composite([
      { input: first, left: 10, top: 20 },
      { input: second, left: 420, top: 20 },
    ])
    .jpeg()
    .toBuffer();
}

/** One colour: nobody is in it. */
export function blank(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#888' } })
    .jpeg()
    .toBuffer();
}

/**
 * A grey PNG of any size with a sound header and a few bytes of content: what it would take to decode is in the header
 * alone (PNG, Third Edition, 11.2.1).
 */
export function pngOfSize(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(8, 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(1024))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, checksum]);
}
