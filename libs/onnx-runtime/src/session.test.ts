import { expect, test } from 'vitest';

import { openSession } from './session.js';

test('bytes that are no model are refused, whichever provider is wanted', async () => {
  for (const bytes of [new Uint8Array(), new TextEncoder().encode('not a model'), new Uint8Array(4096).fill(255)]) {
    await expect(openSession(bytes)).rejects.toMatchObject({ code: 'MODEL.INVALID', retryable: false });
    await expect(openSession(bytes, { providers: ['cuda'] })).rejects.toMatchObject({ code: 'MODEL.INVALID' });
  }
});
