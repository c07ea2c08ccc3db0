import type { Database } from '@sightline/database';
import type { Clock, PersonId, Sha256, TenantId } from '@sightline/kernel';
import { cosine } from '@sightline/matching';
import { decodeTemplate, type Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, gt, inArray } from 'drizzle-orm';

import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { hardNegative } from '../storage/decision-schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';

/** A probe, and people above its bar. */
export interface NegativeQuestion {
  /** By which the answer is found. */
  readonly index: number;
  readonly tenantId: TenantId;
  readonly probe: Template;
  readonly personIds: readonly PersonId[];
}

type NegativeRow = typeof hardNegative.$inferSelect;

/** Probes of which somebody has said that they are not a person. */
@Injectable()
export class HardNegatives {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly personalData: PersonalData,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /**
   * The score of the nearest hard negative of each person, where there is one that may be compared with the probe: by
   * the questions' index, then by person. One query for all.
   */
  async scores(questions: readonly NegativeQuestion[]): Promise<ReadonlyMap<number, ReadonlyMap<PersonId, number>>> {
    const rows = await this.#read(questions);
    const answers = new Map<number, ReadonlyMap<PersonId, number>>();
    if (rows.length === 0) return answers;
    const negatives = (await this.personalData.openTemplates(rows)).flatMap((row) => row ?? []);
    for (const { index, tenantId, probe, personIds } of questions) {
      const vector = decodeTemplate(probe);
      const nearest = new Map<PersonId, number>();
      for (const row of negatives) {
        if (row.tenantId !== tenantId || !personIds.includes(row.personId)) continue;
        const negative = await this.#comparable(row, probe);
        if (negative === undefined) continue;
        const score = cosine(vector, decodeTemplate(negative));
        nearest.set(row.personId, Math.max(score, nearest.get(row.personId) ?? -1));
      }
      if (nearest.size > 0) answers.set(index, nearest);
    }
    return answers;
  }

  /** Undefined where it is of another model space, or under a key that lives no more. */
  async #comparable(row: OpenedRow, { spaceId, dimension, keyId }: Template): Promise<Template | undefined> {
    if (row.modelSpace !== spaceId || row.dimension !== dimension) return undefined;
    const keys = await this.templateKeys.live(row.tenantId);
    if (!keys.some((key) => key.keyId === row.keyId)) return undefined;
    return this.templateKeys.under(keyId, row.tenantId, templateOf(row));
  }

  async #read(questions: readonly NegativeQuestion[]): Promise<readonly NegativeRow[]> {
    const tenants = [...new Set(questions.map(({ tenantId }) => tenantId))];
    const people = [...new Set(questions.flatMap(({ personIds }) => personIds))];
    return this.database.db
      .select()
      .from(hardNegative)
      .where(
        and(
          inArray(hardNegative.tenantId, tenants),
          inArray(hardNegative.personId, people),
          gt(hardNegative.expiresAt, new Date(this.clock.wallMs())),
        ),
      );
  }
}

type OpenedRow = Omit<NegativeRow, 'sealed'> & Pick<Template, 'data'>;

function templateOf({ modelSpace, keyId, codec, scale, dimension, data, quality, variantDigest }: OpenedRow): Template {
  const digest = Buffer.from(variantDigest).toString('hex') as Sha256;
  return { spaceId: modelSpace, variantDigest: digest, keyId, codec, scale, dimension, data, quality };
}
