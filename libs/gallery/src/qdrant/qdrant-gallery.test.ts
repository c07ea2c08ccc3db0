import { afterAll, describe, expect, it } from 'vitest';

import { galleryConformance } from '../conformance.js';
import { openQdrantGallery } from './qdrant-gallery.js';
import { startStandInQdrant, type StandInQdrant } from '../testing/stand-in-qdrant.js';

/** A real Qdrant, where there is one: `QDRANT_URL=http://127.0.0.1:6333 npx vitest run libs/gallery/src/qdrant`. */
const { QDRANT_URL: realUrl, QDRANT_API_KEY: apiKey } = process.env;
const standIn: StandInQdrant | undefined = realUrl === undefined ? await startStandInQdrant() : undefined;
const url = realUrl ?? standIn?.url ?? '';
const opened: ReturnType<typeof openQdrantGallery>[] = [];

afterAll(async () => {
  // An empty rebuild in the place of each leaves nothing behind on a real server.
  if (standIn === undefined) for (const gallery of opened) await gallery.rebuild().complete();
  await standIn?.close();
});

galleryConformance(async (name) => {
  const gallery = openQdrantGallery({ url, apiKey, prefix: `test-${name}` });
  opened.push(gallery);
  return gallery;
});

describe('what the conformance suite has asked of Qdrant', () => {
  it('is in Qdrant’s own description, and so is every answer of the stand-in', (context) => {
    if (standIn === undefined) context.skip('a real Qdrant was asked');
    if (standIn?.validated === false) context.skip('DID NOT RUN: there is no ../shared/qdrant with the description');
    expect(standIn?.violations).toEqual([]);
    expect(standIn?.unsupported).toEqual([]);
    expect(standIn?.requests.length).toBeGreaterThan(100);
  });
});
