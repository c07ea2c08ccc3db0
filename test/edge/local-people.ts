import { create, toBinary } from '@bufbuild/protobuf';
import {
  GalleryDeltaBodySchema,
  GalleryDeltaSchema,
  SCHEMA_VERSION,
  TemplateCodec,
  TemplateSchema,
} from '@sightline/contracts';
import type { EdgeAgentConfigInput } from '@sightline/edge-agent';
import type { PersonId, TenantId } from '@sightline/kernel';
import { templateKeyId, type Template } from '@sightline/template-protection';
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const signingKeyId = 'test-key';

/** The template key of the tenant `acme`. */
export const templateKey = { secret: Buffer.alloc(32, 7), tenantId: 'acme' as TenantId, epoch: 1 };

/** What the box `door-1` is provisioned with: it trusts the deltas that are signed here. */
export function provisioningOf(
  mqtt: EdgeAgentConfigInput['provisioning']['mqtt'],
): EdgeAgentConfigInput['provisioning'] {
  const { secret, epoch } = templateKey;
  return {
    ...{ tenantId: 'acme', deviceId: 'door-1', siteId: 'main', mqtt },
    templateKey: { keyId: templateKeyId(templateKey), epoch, secret: secret.toString('base64') },
    // Nobody listens there.
    release: { repositoryUrl: 'http://127.0.0.1:9/repository', trustedRoot: 'e30=' },
    gallery: {
      signingKeyId,
      signingKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    },
  };
}

/** A signed delta by which the box knows these people, for a day from `nowMs` on. */
export function galleryDelta(
  people: readonly { readonly personId: PersonId; readonly groups: readonly string[]; readonly template: Template }[],
  nowMs: number,
): Uint8Array {
  const body = toBinary(
    GalleryDeltaBodySchema,
    create(GalleryDeltaBodySchema, {
      ...{ tenantId: 'acme', deviceId: 'door-1', cacheId: randomUUID(), fromVersion: 0n, toVersion: 1n },
      people: people.map(({ personId, groups, template }) => ({
        personId,
        groups: [...groups],
        templates: [wireTemplate(template)],
      })),
      lease: { issuedAtMs: BigInt(Math.round(nowMs)), expiresAtMs: BigInt(Math.round(nowMs) + 86_400_000) },
    }),
  );
  const signature = sign(null, body, privateKey);
  const delta = { schemaVersion: SCHEMA_VERSION, correlationId: randomUUID(), body, signature, signingKeyId };
  return toBinary(GalleryDeltaSchema, create(GalleryDeltaSchema, delta));
}

function wireTemplate({ spaceId, keyId, variantDigest, codec, scale, dimension, data, quality }: Template) {
  return create(TemplateSchema, {
    ...{
      modelSpace: spaceId,
      keyId,
      variantDigest: Buffer.from(variantDigest, 'hex'),
      scale,
      dimension,
      data,
      quality,
    },
    codec: codec === 'int8' ? TemplateCodec.INT8 : TemplateCodec.FLOAT16,
  });
}
