import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import { and, eq } from 'drizzle-orm';

import { raiseAlert } from '../alerts/raise-alert.js';
import { retrainingProposal, type siteEvaluation } from '../storage/retraining-schema.js';
import { propose } from './propose.js';

/** Writes down what an evaluation comes to, in the place of what was proposed for the site before, and tells of it. */
export async function storeProposals(
  tx: Transaction,
  { tenantId, id: evaluationId, siteId }: typeof siteEvaluation.$inferSelect,
  evaluated: { readonly figures: rest.EvaluationFigures; readonly margin: number; readonly createdAt: Date },
): Promise<void> {
  const { figures, margin, createdAt } = evaluated;
  const isOpen = and(
    eq(retrainingProposal.tenantId, tenantId),
    eq(retrainingProposal.siteId, siteId),
    eq(retrainingProposal.state, 'open'),
  );
  await tx.update(retrainingProposal).set({ state: 'superseded', decidedAt: createdAt }).where(isOpen);
  const { variantDigest } = figures.release;
  for (const draft of propose(figures, margin)) {
    const id = randomUUID();
    await tx.insert(retrainingProposal).values({
      ...{ tenantId, id, evaluationId, siteId, variantDigest, createdAt, state: 'open', ...draft },
    });
    const { kind } = draft;
    const raised = { tenantId, siteId, kind: 'retraining' as const, dedupeKey: `retraining/${id}` };
    await raiseAlert(tx, { ...raised, details: { proposal: kind, proposalId: id, variantDigest } }, createdAt);
  }
}
