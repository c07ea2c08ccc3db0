import { createHash } from 'node:crypto';

import { AppError, type TenantId } from '@sightline/kernel';

/** What was done: `person.enrol`, `sighting.list`. */
export type AuditAction = `${string}.${string}`;

/** One access to biometric data, or a change of who has it. Ids alone: no name, no template, no text of a person. */
export interface AuditEntry {
  readonly tenantId: TenantId;
  /** Who: `key:…`, `jwt:…`, `system:<job>`. Default: who makes the request under way. */
  readonly actor?: string | undefined;
  readonly action: AuditAction;
  /** What it was done with: a kind in the field's terms (`person`, `sighting`) and its id. */
  readonly subject?: { readonly kind: string; readonly id: string } | undefined;
  /** What for, in one word of the tenant's own, such as `access-control`. */
  readonly purpose?: string | undefined;
  /** `succeeded`, or the code of the error that it ended with. Default: `succeeded`. */
  readonly outcome?: string | undefined;
}

/** An entry in its place of the chain. */
export interface ChainedEntry {
  readonly tenantId: TenantId;
  readonly sequence: number;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly subjectKind: string | null;
  readonly subjectId: string | null;
  readonly purpose: string | null;
  readonly outcome: string;
  readonly previousHash: Uint8Array;
  readonly hash: Uint8Array;
}

/** Where a chain ends: before its first entry with sequence 0 and 32 zero bytes. */
export interface ChainHead {
  readonly sequence: number;
  readonly hash: Uint8Array;
}

export const emptyChain: ChainHead = { sequence: 0, hash: new Uint8Array(32) };

const FORMAT = 'sightline-audit-1';
/** No blank and nothing but ASCII: an id or a word of ours, hardly a name. */
const word = /^[\x21-\x7e]{1,200}$/;

/**
 * What the hash of an entry is taken over: a JSON array of strings, integers and nulls in UTF-8, which has one encoding
 * alone (RFC 8785: no white space, escapes as ECMAScript's `JSON.stringify` writes them).
 */
export function canonicalEntry(entry: Omit<ChainedEntry, 'hash'>): string {
  return JSON.stringify([
    ...[FORMAT, entry.tenantId, entry.sequence, entry.at.toISOString(), entry.actor, entry.action],
    ...[entry.subjectKind, entry.subjectId, entry.purpose, entry.outcome],
    Buffer.from(entry.previousHash).toString('hex'),
  ]);
}

/** SHA-256 of {@link canonicalEntry}. */
export function hashOf(entry: Omit<ChainedEntry, 'hash'>): Uint8Array {
  return new Uint8Array(createHash('sha256').update(canonicalEntry(entry)).digest());
}

/**
 * Puts an entry at the end of a chain.
 *
 * @throws AppError `AUDIT.INVALID` for what is no id or word, such as a name
 */
export function chained(head: ChainHead, entry: AuditEntry & { readonly actor: string }, at: Date): ChainedEntry {
  const { tenantId, actor, action, subject, purpose, outcome = 'succeeded' } = entry;
  for (const text of [actor, action, subject?.kind, subject?.id, purpose, outcome]) {
    if (text !== undefined && !word.test(text)) {
      throw new AppError('AUDIT.INVALID', 'An audit entry holds ids and words alone.', { details: { action } });
    }
  }
  const linked = {
    ...{ tenantId, sequence: head.sequence + 1, at, actor, action, outcome, previousHash: head.hash },
    ...{ subjectKind: subject?.kind ?? null, subjectId: subject?.id ?? null, purpose: purpose ?? null },
  };
  return { ...linked, hash: hashOf(linked) };
}
