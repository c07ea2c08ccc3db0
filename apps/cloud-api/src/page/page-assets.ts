import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';

import { errorDefinitions } from '@sightline/contracts';

/** Beside `src` and `dist`, so that both find it. */
const folder = new URL('../../page/', import.meta.url);

/** What a browser gets of the folder. */
const mediaTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};
const JSON_TYPE = 'application/json; charset=utf-8';

export interface PageAsset {
  readonly bytes: Buffer;
  readonly mediaType: string;
  /** Strong entity tag, with its quotes (RFC 9110, 8.8.3). */
  readonly etag: string;
}

/** Everything that the page consists of, by file name. Nothing else is ever served. */
export type PageAssets = ReadonlyMap<string, PageAsset>;

/** Injection token of the {@link PageAssets}. */
export const PAGE_ASSETS = Symbol('PageAssets');

/** Reads the page's files, and adds the titles of our error codes to them. */
export async function loadPageAssets(): Promise<PageAssets> {
  const files = (await readdir(folder)).flatMap((name) => {
    const mediaType = mediaTypes[extname(name)];
    return mediaType === undefined ? [] : [{ name, mediaType }];
  });
  const read = files.map(
    async ({ name, mediaType }) => [name, asset(mediaType, await readFile(new URL(name, folder)))] as const,
  );
  const titles = Object.fromEntries(Object.entries(errorDefinitions).map(([code, { title }]) => [code, title]));
  const errorTitles = asset(JSON_TYPE, Buffer.from(JSON.stringify(titles)));
  return new Map([...(await Promise.all(read)), ['error-titles.json', errorTitles]]);
}

function asset(mediaType: string, bytes: Buffer): PageAsset {
  return { bytes, mediaType, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` };
}
