import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type PersonId, type TenantId } from '@sightline/kernel';
import type { OperatingPoint } from '@sightline/matching';
import type { Face } from '@sightline/recognition';
import { validateTemplate, type Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';

import type { Turn } from '../http/turnstile.js';
import { DecisionPolicies } from '../identification/decision-policies.js';
import { PhotoFaces, type DetectedFaces } from '../identification/photo-faces.js';
import { templatesOfPerson } from '../identification/stored-templates.js';
import { People } from '../people/people.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { DATABASE } from '../platform/tokens.js';
import type { CalibratedRelease } from '../releases/active-release.js';
import { Releases } from '../releases/releases.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { chooseFace } from './choose-face.js';
import { compare, type Comparison } from './comparison.js';
import { assess, operatingPointOf, rulesFor, type Assessment } from './policy-of-use.js';
import { toRestFace } from './wire.js';

/** What a photo is compared with. */
export type Reference =
  | { readonly kind: 'photo'; readonly photo: Uint8Array }
  | { readonly kind: 'person'; readonly personId: PersonId }
  | { readonly kind: 'template'; readonly template: Template };

export interface VerificationRequest extends rest.VerifyQuery {
  readonly photo: Uint8Array;
  readonly reference: Reference;
}

/** A face of one of the photos, with all that was done to find it. */
interface ChosenFace {
  readonly face: Face;
  readonly stageMs: DetectedFaces['stageMs'];
}

interface Compared {
  readonly probe: ChosenFace;
  readonly other: ChosenFace | undefined;
  readonly stored: readonly Template[];
  readonly operatingPoint: OperatingPoint;
  readonly signal: AbortSignal | undefined;
}

/** Verification: is the face of a photo that of another photo, of an enrolled person, or of a template? */
@Injectable()
export class Verification {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly people: People,
    private readonly personalData: PersonalData,
    private readonly photoFaces: PhotoFaces,
    private readonly policies: DecisionPolicies,
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /**
   * @throws AppError `CALIBRATION.RATE_NOT_MEASURED`, `PERSON.NOT_FOUND`, `PERSON.NOT_ENROLLED`, `CONSENT.MISSING`, `TEMPLATE.INVALID`,
   *   `TEMPLATE.WRONG_DIMENSION`, `VERIFICATION.NO_FACE`, `VERIFICATION.SEVERAL_FACES`,
   *   `VERIFICATION.LOW_QUALITY`, `IMAGE.*`, `RELEASE.UNAVAILABLE`, `REQUEST.RATE_LIMITED`
   */
  async verify(tenantId: TenantId, request: VerificationRequest, turn: Turn): Promise<rest.VerifyResponse> {
    const { photo, reference } = request;
    // All that may be wrong and costs little comes before the costly part.
    const release = this.releases.current();
    const rules = await rulesFor(this.policies, tenantId, request.use);
    const operatingPoint = operatingPointOf(release, rules, request.falseMatchRate);
    const stored = await this.#storedTemplates(tenantId, release, reference);
    const photos = reference.kind === 'photo' ? { photo, reference: reference.photo } : { photo };
    const [probe, other] = await this.#chooseFaces(photos, request.face, turn, rules !== undefined);
    if (probe === undefined) throw new AppError('SERVICE.INTERNAL', 'A photo was not looked at.');
    const { signal } = turn;
    const { liveScore, refusalCode }: Assessment = rules
      ? await assess(probe.face, rules, release.recogniser, signal)
      : { liveScore: null };
    const { comparison, embedMs } =
      refusalCode === undefined
        ? await this.#compare(tenantId, release, { probe, other, stored, operatingPoint, signal })
        : { comparison: { ...operatingPoint, outcome: 'refused', refusalCode } as const, embedMs: 0 };
    const { outcome, threshold, falseMatchRate } = comparison;
    return {
      outcome,
      refusalCode: comparison.outcome === 'refused' ? comparison.refusalCode : null,
      score: comparison.outcome === 'refused' ? null : comparison.score,
      ...{ threshold, falseMatchRate, liveScore },
      face: toRestFace(probe.face),
      reference: viewOf(reference, stored, other),
      release: { version: release.manifest.version, digest: release.digest },
      modelSpace: release.manifest.modelSpace.id,
      stageMs: { ...sumOf([probe, ...(other ? [other] : [])].map(({ stageMs }) => stageMs)), embed: embedMs },
    };
  }

  async #compare(
    tenantId: TenantId,
    release: CalibratedRelease,
    { probe, other, stored, operatingPoint, signal }: Compared,
  ): Promise<{ readonly comparison: Comparison; readonly embedMs: number }> {
    // The thresholds hold for a probe against an enrolment: the reference is embedded as one.
    const [ofProbe, ofReference] = await Promise.all([
      this.photoFaces.embed(tenantId, release, [probe.face], { signal }),
      this.photoFaces.embed(tenantId, release, other === undefined ? [] : [other.face], { views: 'several', signal }),
    ]);
    const [template] = ofProbe.templates;
    if (template === undefined) throw new AppError('SERVICE.INTERNAL', 'The recogniser returned no template.');
    return {
      comparison: compare(template, [...stored, ...ofReference.templates], operatingPoint),
      embedMs: ofProbe.embedMs + ofReference.embedMs,
    };
  }

  /** The templates that exist already. */
  async #storedTemplates(
    tenantId: TenantId,
    { recogniser, manifest }: CalibratedRelease,
    reference: Reference,
  ): Promise<readonly Template[]> {
    if (reference.kind === 'photo') return [];
    if (reference.kind === 'template') {
      const { template } = reference;
      // A template of another space may have another dimension: it is refused for its space.
      const isOfSpace = template.spaceId === recogniser.spaceId;
      validateTemplate(template, isOfSpace ? { dimension: manifest.modelSpace.dimension } : {});
      return [template];
    }
    const { personId } = reference;
    await this.people.get(tenantId, personId);
    if ((await this.people.names(tenantId, [personId], 'access')).size === 0) {
      throw new AppError('CONSENT.MISSING', 'Nobody has recorded that the person may be verified for access.');
    }
    const all = await templatesOfPerson(this.database, this.personalData, { tenantId, personId });
    const keys = await this.templateKeys.live(tenantId);
    const own = all.filter(
      ({ spaceId, keyId }) => spaceId === recogniser.spaceId && keys.some((key) => key.keyId === keyId),
    );
    if (own.length > 0) return this.#underCurrent(tenantId, own);
    throw new AppError(
      'PERSON.NOT_ENROLLED',
      all.length === 0
        ? 'The person has no enrolled face.'
        : 'The person is enrolled with other models or under another key only.',
      { details: { templates: all.length } },
    );
  }

  /** As the photo's own template will be. */
  async #underCurrent(tenantId: TenantId, templates: readonly Template[]): Promise<readonly Template[]> {
    const { keyId } = await this.templateKeys.current(tenantId);
    return Promise.all(templates.map((template) => this.templateKeys.under(keyId, tenantId, template)));
  }

  /** Looks at all photos at once, and ends with none of them still being worked on. */
  async #chooseFaces(
    photos: Readonly<Record<string, Uint8Array>>,
    choice: rest.VerifyQuery['face'],
    turn: Turn,
    withSurroundings: boolean,
  ): Promise<readonly ChosenFace[]> {
    const options = withSurroundings ? { surroundings: { minimumQuality: 0 } } : {};
    const looked = await Promise.allSettled(
      Object.entries(photos).map(async ([name, photo]): Promise<ChosenFace> => {
        const { faces, stageMs } = await this.photoFaces.detect(photo, turn, options);
        return { face: chooseFace(faces, choice, name), stageMs };
      }),
    );
    return looked.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }
}

function viewOf(
  reference: Reference,
  stored: readonly Template[],
  other: ChosenFace | undefined,
): rest.VerifyResponse['reference'] {
  if (reference.kind === 'template') return { kind: 'template' };
  if (reference.kind === 'person') {
    return { kind: 'person', personId: reference.personId, templates: stored.length };
  }
  if (other === undefined) throw new AppError('SERVICE.INTERNAL', 'A photo was not looked at.');
  return { kind: 'photo', face: toRestFace(other.face) };
}

function sumOf(stages: readonly DetectedFaces['stageMs'][]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const [stage, ms] of stages.flatMap((stageMs) => Object.entries(stageMs))) {
    total[stage] = (total[stage] ?? 0) + ms;
  }
  return total;
}
