import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import { searchRateOf } from '@sightline/matching';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, lt, sql, type SQL } from 'drizzle-orm';

import { decodeCursor, toPage } from '../http/page-cursor.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { DATABASE } from '../platform/tokens.js';
import { identificationReview } from '../storage/decision-schema.js';
import { identification } from '../storage/schema.js';
import type { DecisionFacts } from './decision-facts.js';
import { failedRule, ruleResults } from './decision-record.js';
import { readNames } from './person-names.js';

type DecisionRow = typeof identification.$inferSelect;
type ReviewRow = typeof identificationReview.$inferSelect;

interface ExplainedRow {
  readonly decision: DecisionRow;
  readonly review: ReviewRow | null;
  readonly hardNegatives: number;
  readonly imageDigest: string | null;
}

type Names = ReadonlyMap<PersonId, string>;
// Names in full, so that none is the subquery's own.
const hardNegatives = sql<number>`(
  SELECT count(*)::int FROM cloud.hard_negative AS negative
  WHERE negative.tenant_id = cloud.identification.tenant_id AND negative.sighting_id = cloud.identification.sighting_id
    AND negative.revision = cloud.identification.revision
)`;
const imageDigest = sql<string | null>`(
  SELECT encode(image.digest, 'hex') FROM cloud.sealed_image AS image
  WHERE image.tenant_id = cloud.identification.tenant_id AND image.sighting_id = cloud.identification.sighting_id
    AND image.stored_at IS NOT NULL
  ORDER BY image.stored_at DESC LIMIT 1
)`;
const isRevision = (text: string): boolean => /^\d{1,10}$/.test(text);

export function identificationNotFound(): AppError {
  return new AppError('IDENTIFICATION.NOT_FOUND', 'There is no identification with this id.');
}

/** How decisions came about, as they were written down with them. */
@Injectable()
export class Explanations {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly personalData: PersonalData,
  ) {}

  /** @throws AppError `IDENTIFICATION.NOT_FOUND` */
  async get(tenantId: TenantId, { sightingId, revision }: rest.IdentificationId): Promise<rest.Identification> {
    const where = and(ofSighting(tenantId, sightingId as SightingId), eq(identification.revision, revision));
    const [row] = await this.#read(where, 1);
    if (row === undefined) throw identificationNotFound();
    const [shown] = await this.#show([row]);
    if (shown === undefined) throw identificationNotFound();
    return shown;
  }

  /** A sighting's, the last revision first. */
  async list(
    tenantId: TenantId,
    { sightingId, limit, cursor }: rest.IdentificationQuery,
  ): Promise<rest.IdentificationPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isRevision);
    const where = and(
      ofSighting(tenantId, sightingId as SightingId),
      after && lt(identification.revision, Number(after.id)),
    );
    const rows = await this.#show(await this.#read(where, limit + 1));
    return toPage(rows, limit, {
      item: (row) => row,
      cursor: ({ decidedAt, revision }) => ({ time: new Date(decidedAt), id: String(revision) }),
    });
  }

  async #read(where: SQL | undefined, limit: number): Promise<ExplainedRow[]> {
    const { tenantId, sightingId, revision } = identification;
    return this.database.db
      .select({ decision: identification, review: identificationReview, hardNegatives, imageDigest })
      .from(identification)
      .leftJoin(
        identificationReview,
        and(
          eq(identificationReview.tenantId, tenantId),
          eq(identificationReview.sightingId, sightingId),
          eq(identificationReview.revision, revision),
        ),
      )
      .where(where)
      .orderBy(desc(identification.revision))
      .limit(limit);
  }

  async #show(rows: readonly ExplainedRow[]): Promise<rest.Identification[]> {
    const people = rows.flatMap(({ decision, review }) =>
      [
        decision.personId,
        decision.localPersonId,
        review?.personId,
        ...(decision.candidates ?? []).map(({ p }) => p),
      ].flatMap((personId) => (personId ? [{ tenantId: decision.tenantId, personId }] : [])),
    );
    const names = await readNames(this.database, this.personalData, people);
    return rows.map((row) => toRest(row, names));
  }
}

const ofSighting = (tenantId: TenantId, sightingId: SightingId) =>
  and(eq(identification.tenantId, tenantId), eq(identification.sightingId, sightingId));

function toRest(row: ExplainedRow, names: Names): rest.Identification {
  const { decision, review, hardNegatives: remembered, imageDigest: image } = row;
  const { sightingId, revision, outcome, score, threshold, falseMatchRate, refusalCode, identifyMs, facts } = decision;
  return {
    ...{ id: `${sightingId}:${revision}`, sightingId, revision, outcome, score, threshold, falseMatchRate },
    ...{ refusalCode, identifyMs, imageDigest: image, decidedAt: decision.decidedAt.toISOString() },
    person: named(decision.personId, names),
    target: facts && targetOf(facts, falseMatchRate),
    calibration: facts && {
      releaseVersion: facts.release,
      modelSpace: facts.space,
      variantDigest: facts.variant,
      probeVariantDigest: facts.probeVariant === undefined ? facts.variant : facts.probeVariant,
    },
    policy: facts && {
      use: facts.use,
      version: facts.policy,
      site: facts.site ?? null,
      groups: [...(facts.groups ?? [])],
    },
    rules: facts === null ? [] : ruleResults(facts),
    candidates: (decision.candidates ?? []).flatMap((candidate) => {
      const person = named(candidate.p, names);
      if (person === null) return [];
      const { t: templateId, s, n = null } = candidate;
      return [{ person, templateId, score: s, hardNegativeScore: n, failed: failedRule(candidate) }];
    }),
    local: decision.localOutcome && {
      outcome: decision.localOutcome,
      person: named(decision.localPersonId, names),
      score: decision.localScore,
      differed: decision.localDiffered,
    },
    review: review && toRestReview(review, remembered, names),
  };
}

function toRestReview(
  { verdict, personId, actor, reviewedAt }: ReviewRow,
  remembered: number,
  names: Names,
): NonNullable<rest.Identification['review']> {
  return {
    verdict,
    person: named(personId, names),
    actor,
    reviewedAt: reviewedAt.toISOString(),
    hardNegatives: remembered,
  };
}

function targetOf(
  { fmr, fpir, n, limited, offset = 0 }: DecisionFacts,
  falseMatchRate: number,
): rest.Identification['target'] {
  return {
    falseMatchRate: fmr,
    falsePositiveRate: fpir ?? null,
    templatesSearched: n,
    expectedFalsePositiveRate: searchRateOf(falseMatchRate, n),
    calibrationLimited: limited ?? false,
    calibrationOffset: offset,
  };
}

function named(id: PersonId | null, names: Names): { readonly id: string; readonly name: string } | null {
  const name = id === null ? undefined : names.get(id);
  return id === null || name === undefined ? null : { id, name };
}
