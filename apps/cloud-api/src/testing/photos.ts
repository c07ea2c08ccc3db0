import { readFile } from 'node:fs/promises';

import { openRecogniser } from '@sightline/recognition';
import { defaultBundle, samplePhotos } from '@sightline/testing';
import sharp, { type Region } from 'sharp';

import type { ReleaseSource } from '../releases/active-release.js';
import { startTestCloud, type TestCloud } from './test-cloud.js';

/** The default models, without a registry. */
const defaultReleaseSource: ReleaseSource = {
  open: async () => {
    const bundle = await defaultBundle();
    const { manifest, digest } = bundle;
    return { manifest, digest, recogniser: await openRecogniser({ bundle, workers: 1, presentationAttack: true }) };
  },
};

/** A cloud API that recognises faces. */
export async function startCloudWithModels(): Promise<TestCloud> {
  const cloud = await startTestCloud({ releaseSource: defaultReleaseSource });
  while ((await cloud.request({ url: '/health/ready' })).statusCode !== 200) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return cloud;
}

/** The right one of the three people of the first sample photo. */
const FACE: Region = { left: 1400, top: 130, width: 340, height: 340 };
/** The same person in the third, and another one in the first. */
const AGAIN: Region = { left: 953, top: 43, width: 467, height: 643 };
const OTHER: Region = { left: 742, top: 320, width: 379, height: 464 };

const crop = (photo: number, region: Region): Promise<Buffer> =>
  sharp(samplePhotos()[photo]).extract(region).jpeg({ quality: 92 }).toBuffer();

export interface TestPhotos {
  /** Three people: the one of the portrait is the largest. */
  readonly group: Buffer;
  readonly portrait: Buffer;
  /** The person of the portrait, taken another time. */
  readonly again: Buffer;
  readonly other: Buffer;
  /** Nobody. */
  readonly empty: Buffer;
}

export async function testPhotos(): Promise<TestPhotos> {
  const blank = sharp({ create: { width: 400, height: 300, channels: 3, background: '#888' } });
  const [group, portrait, again, other, empty] = await Promise.all([
    readFile(samplePhotos()[0] ?? ''),
    crop(0, FACE),
    crop(2, AGAIN),
    crop(0, OTHER),
    blank.jpeg().toBuffer(),
  ]);
  return { group, portrait, again, other, empty };
}

/** A part of a form: a file, or the text of a field. */
export type FormPart = readonly [name: string, content: Buffer | string, type?: string];

/** A form as browsers send it: body and media type. */
export function multipart(parts: readonly FormPart[]): readonly [payload: Buffer, type: string] {
  const boundary = 'sightline-test-boundary';
  const body = parts.flatMap(([name, content, type]) => {
    const file = typeof content === 'string' ? '' : '; filename="a.jpg"';
    const head = type === undefined ? '' : `\r\nContent-Type: ${type}`;
    return [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}${head}\r\n\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ];
  });
  return [Buffer.concat([...body, Buffer.from(`--${boundary}--\r\n`)]), `multipart/form-data; boundary=${boundary}`];
}
