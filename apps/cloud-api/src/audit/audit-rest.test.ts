import type { rest } from '@sightline/contracts';
import { inTransaction } from '@sightline/database';
import { newPersonId } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { Acting } from './acting.js';
import { Audit } from './audit.js';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

const get = async <T>(url: string, headers: Record<string, string> = {}): Promise<T> =>
  (
    await cloud.request({ url, headers: { authorization: 'Bearer test-admin-key-0123456789abcdef', ...headers } })
  ).json();
const entries = async (query = '') => (await get<rest.AuditPage>(`/v1/audit?limit=500&${query}`)).items;

describe('a request to biometric data', () => {
  it('is recorded with who, what, whom, what for and how it ended', async () => {
    const payload = { name: 'Ada Lovelace', externalId: 'e-1' };
    const person = (await cloud.request({ method: 'POST', url: '/v1/people', payload })).json<rest.Person>();
    await get(`/v1/people/${person.id}`, { 'sightline-purpose': 'access-control' });
    const nobody = newPersonId();
    await get(`/v1/people/${nobody}`, { 'sightline-purpose': 'Ada Lovelace' });
    await get(`/v1/people/Ada`);
    const found = await entries('action=person.read');
    const actor = expect.stringMatching(/^key:[0-9a-f-]{36}$/) as string;
    expect(found).toMatchObject([
      { actor, subjectKind: 'person', subjectId: nobody, purpose: null, outcome: 'PERSON.NOT_FOUND' },
      { actor, subjectKind: 'person', subjectId: person.id, purpose: 'access-control', outcome: 'succeeded' },
    ]);
    expect(await entries(`subjectId=${nobody}`)).toHaveLength(1);
    expect(JSON.stringify(await entries())).not.toMatch(/Ada|Lovelace|e-1/);
  });

  it('makes the actor known to whatever it calls', async () => {
    const acting = cloud.api.app.get(Acting);
    expect(acting.actor).toBeUndefined();
    await cloud.request({ method: 'POST', url: '/v1/api-keys', payload: { label: 'x', role: 'auditor' } });
    const [entry] = await entries('action=api-key.create');
    expect(entry).toMatchObject({ actor: expect.stringMatching(/^key:/) as string, subjectKind: 'api-key' });
  });
});

describe('the chain', () => {
  const verify = (query = '') => get<rest.AuditVerification>(`/v1/audit/verify?${query}`);
  /** Changes rows as somebody would who owns the database. */
  const tamper = async (...statements: readonly string[]) => {
    const { pool } = cloud.api.database;
    await pool.query('ALTER TABLE cloud.audit_entry DISABLE TRIGGER USER');
    for (const statement of statements) await pool.query(statement);
    await pool.query('ALTER TABLE cloud.audit_entry ENABLE TRIGGER USER');
  };

  it('is paged, and whole as long as nobody has changed it', async () => {
    const audit = cloud.api.app.get(Audit);
    await inTransaction(cloud.api.database, (tx) =>
      audit.record(
        tx,
        ...Array.from({ length: 50 }, () => ({
          tenantId: TENANT,
          actor: 'system:test',
          action: 'person.export' as const,
        })),
      ),
    );
    const first = await get<rest.AuditPage>('/v1/audit?limit=30&actor=system:test');
    const second = await get<rest.AuditPage>(`/v1/audit?limit=30&actor=system:test&cursor=${first.nextCursor}`);
    expect([first.items.length, second.items.length, second.nextCursor]).toEqual([30, 20, null]);
    const head = await get<rest.AuditHead>('/v1/audit/head');
    expect(await verify()).toEqual({ verified: head.sequence, next: null, head, broken: null });
    expect(await verify(`anchorSequence=${head.sequence}&anchorHash=${head.hash}`)).toMatchObject({ broken: null });
    expect(await verify('from=20')).toMatchObject({ verified: head.sequence - 19, broken: null });
    expect(await verify(`from=${head.sequence + 2}`)).toMatchObject({ code: 'REQUEST.INVALID' });
    expect(await verify('anchorSequence=1')).toMatchObject({ code: 'REQUEST.INVALID' });
  });

  it('names the first link that was broken', async () => {
    const head = await get<rest.AuditHead>('/v1/audit/head');
    const anchor = `anchorSequence=${head.sequence}&anchorHash=${head.hash}`;
    const lost = `anchorSequence=${head.sequence}&anchorHash=${'0'.repeat(64)}`;
    expect(await verify(lost)).toMatchObject({ broken: { sequence: head.sequence, reason: 'anchor' } });
    await tamper(`UPDATE cloud.audit_entry SET subject_id = 'somebody-else' WHERE sequence = 30`);
    expect(await verify()).toMatchObject({ verified: 29, broken: { sequence: 30, reason: 'changed' } });
    await tamper(`UPDATE cloud.audit_entry SET hash = sha256('x') WHERE sequence = 20`);
    expect(await verify()).toMatchObject({ verified: 19, broken: { sequence: 20, reason: 'changed' } });
    expect(await verify('from=21')).toMatchObject({ verified: 0, broken: { sequence: 21, reason: 'unlinked' } });
    await tamper(`DELETE FROM cloud.audit_entry WHERE sequence = 10`);
    expect(await verify()).toMatchObject({ verified: 9, broken: { sequence: 10, reason: 'missing' } });
    // Whoever cuts off the end and sets the head back leaves a chain that is whole; a head kept outside knows better.
    await tamper(
      'DELETE FROM cloud.audit_entry WHERE sequence > 5',
      'UPDATE cloud.audit_head SET sequence = 5, hash = (SELECT hash FROM cloud.audit_entry WHERE sequence = 5)',
    );
    expect(await verify()).toMatchObject({ verified: 5, broken: null });
    expect(await verify(anchor)).toMatchObject({ verified: 5, broken: { sequence: head.sequence, reason: 'anchor' } });
  });
});
