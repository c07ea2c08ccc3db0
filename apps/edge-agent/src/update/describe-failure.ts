import { errorMessage, isAppError } from '@sightline/kernel';

/** What a log and the cloud are told of a release that failed. */
export function describeFailure(error: unknown): { readonly code: string; readonly cause: string } {
  return { code: isAppError(error) ? error.code : 'RELEASE.FAILED', cause: errorMessage(error) };
}
