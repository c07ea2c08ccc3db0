import { randomBytes } from 'node:crypto';

import type { DeviceAddress, rest } from '@sightline/contracts';
import type { Clock } from '@sightline/kernel';
import { deviceUsername } from '@sightline/messaging';
import { templateKeyId } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';

import type { CloudApiConfig } from '../config.js';
import { GallerySigningKeys } from '../edge-caches/gallery-signing-keys.js';
import { sha256 } from '../platform/digests.js';
import { CLOCK, CONFIG } from '../platform/tokens.js';
import { TemplateKeys } from '../template-keys/template-keys.js';

/** How long a box may wait with its first certificate, ms. */
const ENROLMENT_MS = 7 * 86_400_000;

/** What a box is let in by, and what of it is stored: digests of secrets of 256 random bits. */
export interface NewCredentials {
  readonly password: string;
  readonly token: string;
  readonly expiresAt: Date;
  readonly stored: {
    readonly passwordSha256: Uint8Array;
    readonly enrolmentTokenSha256: Uint8Array;
    readonly enrolmentExpiresAt: Date;
  };
}

/** The documents that boxes are provisioned with. */
@Injectable()
export class Provisionings {
  constructor(
    @Inject(CONFIG) private readonly config: CloudApiConfig,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly templateKeys: TemplateKeys,
    private readonly gallerySigningKeys: GallerySigningKeys,
  ) {}

  newCredentials(): NewCredentials {
    const [password, token] = [newSecret(), newSecret()];
    const expiresAt = new Date(this.clock.wallMs() + ENROLMENT_MS);
    const stored = {
      ...{ passwordSha256: sha256(password), enrolmentTokenSha256: sha256(token) },
      enrolmentExpiresAt: expiresAt,
    };
    return { password, token, expiresAt, stored };
  }

  /** Everything that a box needs to join. */
  async of(address: DeviceAddress, siteId: string, credentials: NewCredentials): Promise<rest.Provisioning> {
    const { mqtt, repositoryUrl, publicRepositoryUrl, trustedRoot, publicUrl } = this.config;
    const key = await this.templateKeys.current(address.tenantId);
    const gallery = await this.gallerySigningKeys.current();
    const { password, token, expiresAt } = credentials;
    return {
      ...{ ...address, siteId },
      mqtt: { url: mqtt.publicUrl ?? mqtt.url, username: deviceUsername(address), password },
      templateKey: {
        ...{ keyId: templateKeyId(key), epoch: key.epoch },
        secret: Buffer.from(key.secret).toString('base64'),
      },
      release: {
        repositoryUrl: publicRepositoryUrl ?? repositoryUrl,
        trustedRoot: Buffer.from(trustedRoot).toString('base64'),
      },
      gallery: { signingKeyId: gallery.keyId, signingKey: Buffer.from(gallery.publicKey).toString('base64') },
      enrolment: { ...(publicUrl !== undefined && { url: publicUrl }), token, expiresAt: expiresAt.toISOString() },
    };
  }
}

/** 256 random bits, base64url. */
const newSecret = (): string => randomBytes(32).toString('base64url');
