import { inTransaction } from '@sightline/database';
import { newPersonId } from '@sightline/kernel';
import { type AuditEntry, type ChainedEntry, emptyChain, hashOf } from '@sightline/rest-server';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { Audit } from './audit.js';

let cloud: TestCloud;
let audit: Audit;
beforeAll(async () => {
  cloud = await startTestCloud();
  audit = cloud.api.app.get(Audit);
});
afterAll(() => cloud.stop());

const entryOf = (action: AuditEntry['action'], more: Partial<AuditEntry> = {}): AuditEntry => ({
  ...{ tenantId: TENANT, actor: 'system:test', action },
  ...more,
});

/** The chain as it lies in the database, read without our own code. */
async function chain(): Promise<ChainedEntry[]> {
  const { rows } = await cloud.api.database.pool.query<Record<string, unknown>>(
    `SELECT tenant_id AS "tenantId", sequence::int, at, actor, action, subject_kind AS "subjectKind",
       subject_id AS "subjectId", purpose, outcome, previous_hash AS "previousHash", hash
     FROM cloud.audit_entry WHERE tenant_id = $1 ORDER BY sequence`,
    [TENANT],
  );
  return rows as unknown as ChainedEntry[];
}
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('the audit', () => {
  it('chains what is read and what is changed, whoever comes when', async () => {
    const changes = Array.from({ length: 20 }, (_, index) =>
      inTransaction(cloud.api.database, (tx) => audit.record(tx, entryOf('person.change', { purpose: `n${index}` }))),
    );
    const readings = Array.from({ length: 100 }, () =>
      audit.append(entryOf('person.read', { subject: { kind: 'person', id: newPersonId() } })),
    );
    await Promise.all([...changes, ...readings]);
    const entries = await chain();
    expect(entries.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    let previous = emptyChain.hash;
    for (const entry of entries) {
      expect([hex(entry.previousHash), hex(entry.hash)]).toEqual([hex(previous), hex(hashOf(entry))]);
      previous = entry.hash;
    }
    expect(await audit.head(TENANT)).toEqual({ sequence: 120, hash: new Uint8Array(previous) });
  });

  it('holds nothing of a change that did not happen', async () => {
    const before = await audit.head(TENANT);
    const failed = inTransaction(cloud.api.database, async (tx) => {
      await audit.record(tx, entryOf('person.erase'));
      throw new Error('not after all');
    });
    await expect(failed).rejects.toThrow('not after all');
    expect(await audit.head(TENANT)).toEqual(before);
  });

  it('takes ids and words, and neither a name nor an entry of nobody', async () => {
    await expect(audit.append(entryOf('person.read', { purpose: 'Ada Lovelace' }))).rejects.toMatchObject({
      code: 'AUDIT.INVALID',
    });
    const subject = { kind: 'person', id: 'Ada Lovelace' };
    await expect(audit.append(entryOf('person.read', { subject }))).rejects.toMatchObject({ code: 'AUDIT.INVALID' });
    await expect(audit.append(entryOf('person.read', { actor: undefined }))).rejects.toMatchObject({
      code: 'AUDIT.INVALID',
    });
  });

  it.each([
    'UPDATE cloud.audit_entry SET outcome = outcome',
    'DELETE FROM cloud.audit_entry',
    'TRUNCATE cloud.audit_entry',
  ])('is final: %s is refused', async (statement) => {
    await expect(cloud.api.database.db.execute(sql.raw(statement))).rejects.toThrow('an audit entry is final');
  });
});
