import { AppError, type TenantId } from '@sightline/kernel';
import { minimumQuality } from '@sightline/recognition';
import { templateKeyId, validateTemplate, type Template } from '@sightline/template-protection';
import { Injectable } from '@nestjs/common';

import { Releases } from '../releases/releases.js';
import { TemplateKeys } from '../template-keys/template-keys.js';

/** Decides whether a template that comes from outside may be enrolled. */
@Injectable()
export class TemplateAdmission {
  constructor(
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /** The model space and template key that templates of a tenant are of now. @throws AppError `RELEASE.UNAVAILABLE` */
  async current(tenantId: TenantId): Promise<{ readonly spaceId: string; readonly keyId: string }> {
    const { recogniser } = this.releases.current();
    return { spaceId: recogniser.spaceId, keyId: templateKeyId(await this.templateKeys.current(tenantId)) };
  }

  /**
   * @throws AppError `TEMPLATE.FOREIGN_SPACE`, `TEMPLATE.FOREIGN_KEY`, `TEMPLATE.WRONG_DIMENSION`, `TEMPLATE.INVALID`
   *   (NaN, infinite or zero vector, wrong byte length), `ENROLMENT.LOW_QUALITY`, `RELEASE.UNAVAILABLE`
   */
  async assertAdmissible(tenantId: TenantId, template: Template): Promise<void> {
    const { spaceId, keyId } = await this.current(tenantId);
    // Before anything else: of another space or key nothing about it can be said.
    if (template.spaceId !== spaceId) {
      throw new AppError(
        'TEMPLATE.FOREIGN_SPACE',
        'The template belongs to another model space than the active release.',
      );
    }
    if (template.keyId !== keyId) {
      throw new AppError('TEMPLATE.FOREIGN_KEY', "The template is under another key than the tenant's current one.");
    }
    validateTemplate(template, { dimension: this.releases.current().manifest.modelSpace.dimension });
    assertGoodEnough(template.quality);
  }
}

/** @throws AppError `ENROLMENT.LOW_QUALITY` */
export function assertGoodEnough(quality: number): void {
  if (quality >= minimumQuality.enrolment) return;
  throw new AppError('ENROLMENT.LOW_QUALITY', 'The face is too small, blurred, turned or badly lit to enrol.', {
    details: { quality, minimum: minimumQuality.enrolment },
  });
}
