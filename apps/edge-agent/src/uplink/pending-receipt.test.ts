import { expect, it, vi } from 'vitest';

import { CacheContent } from '../cache/cache-content.js';
import { CacheBox } from '../testing/cache-box.js';

it('greets the cloud without receipts while the cache cannot be read', async () => {
  const box = await CacheBox.open();
  const read = vi.spyOn(CacheContent.prototype, 'erasuresToReceipt').mockImplementation(() => {
    throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
  });
  try {
    expect(box.cache.pendingReceipt()).toBeUndefined();
    expect(box.log.codes).toEqual(['CACHE.UNAVAILABLE']);
  } finally {
    read.mockRestore();
    box.close();
  }
});
