import type { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Injectable } from '@nestjs/common';

import type { Turn } from '../http/turnstile.js';
import { PhotoFaces } from '../identification/photo-faces.js';
import { toRestFace, toRestTemplate } from './wire.js';

/** Templates for a client that keeps them itself; nothing of the photo or of them is stored here. */
@Injectable()
export class PhotoEmbeddings {
  constructor(private readonly photoFaces: PhotoFaces) {}

  /** @throws AppError `IMAGE.*`, `RELEASE.UNAVAILABLE`, `REQUEST.RATE_LIMITED` */
  async embed(
    tenantId: TenantId,
    photo: Uint8Array,
    { codec }: rest.EmbeddingsQuery,
    turn: Turn,
  ): Promise<rest.EmbeddingsResponse> {
    const { release, faces, stageMs } = await this.photoFaces.detect(photo, turn);
    const { templates, embedMs } = await this.photoFaces.embed(tenantId, release, faces, {
      codec,
      signal: turn.signal,
    });
    return {
      faces: faces.flatMap((face, index) => {
        const template = templates[index];
        return template === undefined ? [] : [{ ...toRestFace(face), template: toRestTemplate(template) }];
      }),
      release: { version: release.manifest.version, digest: release.digest },
      modelSpace: release.manifest.modelSpace.id,
      stageMs: { ...stageMs, embed: embedMs },
    };
  }
}
