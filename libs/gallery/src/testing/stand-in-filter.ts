import { refuse } from './refusal.js';

type Payload = Readonly<Record<string, unknown>>;

/** A filter as far as the adapter writes one; everything else is answered with 501. */
export interface Filter {
  readonly must?: readonly Condition[];
  readonly must_not?: readonly Condition[];
}

interface Condition {
  readonly key: string;
  readonly match: { readonly value: string } | { readonly any: readonly string[] };
}

/** @throws Refusal 501 for what the adapter does not use */
export function readFilter(value: unknown): Filter {
  const { must, must_not: mustNot, ...rest } = record(value ?? {});
  if (Object.keys(rest).length > 0) throw refuse(501, `filter with ${Object.keys(rest).join(', ')}`);
  return { must: conditions(must), must_not: conditions(mustNot) };
}

/** A value matches when one of the payload's values does: a list counts as its elements. */
export function matches(payload: Payload, { must = [], must_not: mustNot = [] }: Filter): boolean {
  return must.every((each) => holds(payload, each)) && !mustNot.some((each) => holds(payload, each));
}

/** Every field that a filter looks at. */
export function keysOf({ must = [], must_not: mustNot = [] }: Filter): readonly string[] {
  return [...must, ...mustNot].map(({ key }) => key);
}

/** The largest list of values in a condition, and how many conditions there are: what strict mode bounds. */
export function sizeOf({ must = [], must_not: mustNot = [] }: Filter): { conditions: number; largest: number } {
  const all = [...must, ...mustNot];
  const sizes = all.map(({ match }) => ('any' in match ? match.any.length : 1));
  return { conditions: all.length, largest: Math.max(0, ...sizes) };
}

function holds(payload: Payload, { key, match }: Condition): boolean {
  const value = payload[key];
  const values = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  const wanted = 'any' in match ? match.any : [match.value];
  return wanted.some((each) => values.includes(each));
}

function conditions(value: unknown): readonly Condition[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw refuse(501, 'a condition outside of a list');
  return value.map((each: unknown) => {
    const { key, match, ...rest } = record(each);
    const { value: one, any, ...other } = record(match);
    if (typeof key !== 'string' || Object.keys({ ...rest, ...other }).length > 0) throw refuse(501, 'such a condition');
    if (typeof one === 'string') return { key, match: { value: one } };
    if (Array.isArray(any)) return { key, match: { any: any.map(String) } };
    throw refuse(501, 'such a match');
  });
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse(501, 'such a condition');
  return value as Readonly<Record<string, unknown>>;
}
