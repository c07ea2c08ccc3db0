import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { galleryEnvironment, qdrantFrom } from './gallery-config.js';

const read = (environment: Readonly<Record<string, string>>) =>
  qdrantFrom(z.object(galleryEnvironment).parse(environment));

describe('the environment of the gallery', () => {
  it('is empty for a flat one, and names where a shared one lies', () => {
    expect(read({})).toBeUndefined();
    expect(read({ SIGHTLINE_QDRANT_URL: 'https://qdrant.example/base', SIGHTLINE_QDRANT_REPLICAS: '2' })).toMatchObject(
      { url: 'https://qdrant.example/base', replicas: 2, search: undefined },
    );
  });

  it('is refused when a shared one is described without its address, or in other words', () => {
    const invalid = expect.objectContaining({ code: 'CONFIG.INVALID' }) as Error;
    expect(() => read({ SIGHTLINE_QDRANT_API_KEY: 'secret' })).toThrow(invalid);
    for (const wrong of [
      { SIGHTLINE_QDRANT_URL: 'grpc://qdrant.example' },
      { SIGHTLINE_QDRANT_PREFIX: 'two_words' },
      { SIGHTLINE_QDRANT_SEARCH: 'fast' },
    ]) {
      expect(() => read(wrong as Record<string, string>)).toThrow(z.ZodError);
    }
  });
});
