import { AppError, errorMessage } from '@sightline/kernel';
import { Metadata, MetadataKind } from '@tufjs/models';

/** What a pinned root says of itself. */
export interface TrustedRootFacts {
  readonly version: number;
  readonly expiresAt: Date;
}

/**
 * Reads root metadata as a device would pin it, and checks that enough of its own keys have signed it
 * (TUF 1.0.31, 5.3.4: a root is verified by the root that it declares). Expiry is told, not judged.
 *
 * @throws AppError `RELEASE.UNTRUSTED`
 */
export function describeTrustedRoot(bytes: Uint8Array): TrustedRootFacts {
  try {
    const document = JSON.parse(Buffer.from(bytes).toString('utf8')) as Parameters<typeof Metadata.fromJSON>[1];
    const root = Metadata.fromJSON(MetadataKind.Root, document);
    root.verifyDelegate(MetadataKind.Root, root);
    return { version: root.signed.version, expiresAt: new Date(root.signed.expires) };
  } catch (cause) {
    throw new AppError('RELEASE.UNTRUSTED', `The root metadata cannot be trusted: ${errorMessage(cause)}`, { cause });
  }
}
