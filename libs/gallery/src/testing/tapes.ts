import { readdir, readFile } from 'node:fs/promises';

const folder = new URL('../../../../../shared/qdrant/tapes/', import.meta.url);

type Json = Readonly<Record<string, unknown>>;

/** One request that was made of a real Qdrant, and what it answered. */
export interface TapedExchange {
  readonly request: { readonly method: string; readonly path: string; readonly body?: unknown };
  readonly response: { readonly status: number; readonly body?: unknown };
}

export interface Tape {
  readonly name: string;
  readonly exchanges: readonly TapedExchange[];
}

/** The tapes that lie beside the project; none where there are none. The format is described in docs/gallery.md. */
export async function readTapes(from: URL = folder): Promise<readonly Tape[]> {
  const names = await readdir(from).catch(() => []);
  const tapes = names.filter((name) => name.endsWith('.json')).sort();
  return Promise.all(
    tapes.map(async (name) => {
      const exchanges = JSON.parse(await readFile(new URL(name, from), 'utf8')) as readonly TapedExchange[];
      return { name, exchanges };
    }),
  );
}

/**
 * Makes a tape's requests in order.
 *
 * @returns what was answered otherwise than on the tape, one line each
 */
export async function replayTape(url: string, { exchanges }: Tape): Promise<readonly string[]> {
  const differences: string[] = [];
  for (const { request, response } of exchanges) {
    const { method, path, body } = request;
    const answer = await fetch(url + path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const answered: unknown = JSON.parse(await answer.text());
    if (answer.status !== response.status) differences.push(`${method} ${path}: ${answer.status}`);
    else if (response.body !== undefined) {
      const difference = shapeDifference(response.body, answered, '');
      if (difference !== undefined) differences.push(`${method} ${path}: ${difference}`);
    }
  }
  return differences;
}

/** Where `found` lacks a field of `expected`, or has one of another type; lists are compared by their first elements. */
function shapeDifference(expected: unknown, found: unknown, at: string): string | undefined {
  if (expected === null) return undefined;
  if (kindOf(expected) !== kindOf(found)) return `${at} is ${kindOf(found)} instead of ${kindOf(expected)}`;
  if (Array.isArray(expected) && Array.isArray(found)) {
    if (expected.length === 0) return undefined;
    if (found.length === 0) return `${at} is empty`;
    return shapeDifference(expected[0], found[0], `${at}/0`);
  }
  if (typeof expected !== 'object') return undefined;
  for (const [field, value] of Object.entries(expected)) {
    const difference = shapeDifference(value, (found as Json)[field], `${at}/${field}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'list' : typeof value;
}
