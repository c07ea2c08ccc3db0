import { randomUUID } from 'node:crypto';

import { afterAll, describe, expect, it } from 'vitest';

import { galleryConformance } from '../conformance.js';
import { openQdrantGallery } from './qdrant-gallery.js';
import { startStandInQdrant } from './testing/stand-in-qdrant.js';

const standIn = await startStandInQdrant();
afterAll(() => standIn.close());

galleryConformance(async () => openQdrantGallery({ url: standIn.url, prefix: randomUUID() }));

describe('the conformance suite', () => {
  it('asks Qdrant for nothing that its own description does not know', () => {
    expect(standIn.violations).toEqual([]);
    expect(standIn.unsupported).toEqual([]);
  });
});
