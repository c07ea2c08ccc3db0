import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { AppError, newTemplateId, type Clock, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, inArray } from 'drizzle-orm';

import { retractReviewed } from '../alerts/watch-list-alerts.js';
import { Audit } from '../audit/audit.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { ReviewedImages } from '../images/reviewed-images.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { hardNegative, identificationReview } from '../storage/decision-schema.js';
import { identification, person } from '../storage/schema.js';
import { DecisionPolicies } from './decision-policies.js';
import { retentionOf } from './decision-policy.js';
import { Explanations, identificationNotFound } from './explanations.js';
import { KeptProbeReader } from './kept-probe-reader.js';
import { templateColumnsOf } from './kept-probes.js';
import { verdictOn, type Verdict } from './review-verdict.js';

const DAY_MS = 86_400_000;

interface Reviewed {
  readonly tenantId: TenantId;
  readonly sightingId: SightingId;
  readonly revision: number;
  readonly actor: string;
}

/** What people say about decisions: see {@link Reviews.review}. */
@Injectable()
export class Reviews {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly personalData: PersonalData,
    private readonly policies: DecisionPolicies,
    private readonly probes: KeptProbeReader,
    private readonly explanations: Explanations,
    private readonly images: ReviewedImages,
    private readonly audit: Audit,
  ) {}

  /**
   * Takes a verdict in the place of an earlier one. Whom it excludes gets the probe as a hard negative, where the probe
   * is still kept; what an earlier verdict had excluded is forgotten. The decision stays as it was made. The same
   * verdict again changes nothing.
   *
   * @throws AppError `IDENTIFICATION.NOT_FOUND`, `IDENTIFICATION.NOT_REVIEWABLE`, `PERSON.NOT_FOUND`
   */
  async review(
    { tenantId, actor }: { readonly tenantId: TenantId; readonly actor: string },
    { sightingId: id, revision }: rest.IdentificationId,
    asked: rest.ReviewIdentification,
  ): Promise<rest.Identification> {
    const sightingId = id as SightingId;
    const reviewed = { tenantId, sightingId, revision, actor };
    const probe = await this.probes.of(tenantId, sightingId);
    const { hardNegativeDays } = retentionOf(await this.policies.of(tenantId));
    const now = new Date(this.clock.wallMs());
    await inTransaction(this.database, async (tx) => {
      // People before decisions, as an erasure locks them.
      await lockPeople(tx, tenantId, concernedBy(verdictOn(await readDecision(tx, reviewed), asked)));
      const verdict = verdictOn(await readDecision(tx, reviewed, 'locked'), asked);
      if (await isStored(tx, reviewed, verdict)) return;
      await storeVerdict(tx, reviewed, { verdict, now });
      await retractReviewed(tx, reviewed, { notPersonIds: verdict.notPersonIds, now });
      if (verdict.verdict === 'is-person' && verdict.personId !== null)
        await this.images.assign(tx, reviewed, verdict.personId);
      await tx.delete(hardNegative).where(ofRevision(hardNegative, reviewed));
      if (probe !== undefined && verdict.notPersonIds.length > 0) {
        const expiresAt = new Date(now.getTime() + hardNegativeDays * DAY_MS);
        const rows = await this.#negatives(reviewed, probe, { verdict, createdAt: now, expiresAt });
        await tx.insert(hardNegative).values(rows);
      }
      const subject = { kind: 'identification', id: `${sightingId}:${revision}` };
      await this.audit.record(tx, { tenantId, action: `identification.${verdict.verdict}`, subject });
    });
    return this.explanations.get(tenantId, { sightingId: id, revision });
  }

  async #negatives(
    { tenantId, sightingId, revision }: Reviewed,
    { data, ...template }: Template,
    { verdict, ...times }: { readonly verdict: Verdict; readonly createdAt: Date; readonly expiresAt: Date },
  ): Promise<(typeof hardNegative.$inferInsert)[]> {
    const actualPersonId = verdict.verdict === 'is-person' ? verdict.personId : null;
    const rows = verdict.notPersonIds.map((personId) => ({
      ...{ tenantId, id: newTemplateId(), personId, actualPersonId, sightingId, revision, data },
      ...templateColumnsOf(template),
      ...times,
    }));
    return [...(await this.personalData.sealTemplates(rows))];
  }
}

type RevisionTable = typeof hardNegative | typeof identificationReview | typeof identification;

const ofRevision = (table: RevisionTable, { tenantId, sightingId, revision }: Reviewed) =>
  and(eq(table.tenantId, tenantId), eq(table.sightingId, sightingId), eq(table.revision, revision));

/** @param how locked: one review of a decision after another */
async function readDecision(
  tx: Transaction,
  reviewed: Reviewed,
  how?: 'locked',
): Promise<typeof identification.$inferSelect> {
  const query = tx.select().from(identification).where(ofRevision(identification, reviewed));
  const [row] = await (how === 'locked' ? query.for('no key update') : query);
  if (row === undefined) throw identificationNotFound();
  return row;
}

const concernedBy = ({ notPersonIds, personId }: Verdict): readonly PersonId[] =>
  personId === null ? notPersonIds : [...notPersonIds, personId];

/** @throws AppError `PERSON.NOT_FOUND` when one of them is not there, or is gone by now */
async function lockPeople(tx: Transaction, tenantId: TenantId, ids: readonly PersonId[]): Promise<void> {
  const wanted = [...new Set(ids)].sort();
  if (wanted.length === 0) return;
  const rows = await tx
    .select({ id: person.id })
    .from(person)
    .where(and(eq(person.tenantId, tenantId), inArray(person.id, wanted)))
    .orderBy(asc(person.id))
    .for('key share');
  if (rows.length < wanted.length) throw new AppError('PERSON.NOT_FOUND', 'There is no person with this id.');
}

async function isStored(tx: Transaction, reviewed: Reviewed, { verdict, personId }: Verdict): Promise<boolean> {
  const [row] = await tx.select().from(identificationReview).where(ofRevision(identificationReview, reviewed));
  return row?.verdict === verdict && row.personId === personId;
}

async function storeVerdict(
  tx: Transaction,
  { tenantId, sightingId, revision, actor }: Reviewed,
  { verdict: { verdict, personId }, now }: { readonly verdict: Verdict; readonly now: Date },
): Promise<void> {
  const said = { verdict, personId, actor, reviewedAt: now };
  const { tenantId: tenant, sightingId: sighting, revision: number } = identificationReview;
  await tx
    .insert(identificationReview)
    .values({ tenantId, sightingId, revision, ...said })
    .onConflictDoUpdate({ target: [tenant, sighting, number], set: said });
}
