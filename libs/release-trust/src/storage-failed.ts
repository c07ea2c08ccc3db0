import { AppError } from '@sightline/kernel';

/** What the disk said, as an error that may pass. */
export function storageFailed(cause: unknown): AppError {
  return new AppError('RELEASE.STORAGE_FAILED', 'The release store cannot be written to.', { retryable: true, cause });
}
