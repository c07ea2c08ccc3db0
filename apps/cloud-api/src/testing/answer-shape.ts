import type { LightMyRequestResponse } from 'fastify';

/** Headers that say how much somebody has asked, and not what. */
const counting = new Set(['content-length', 'date', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset']);

/**
 * What an answer tells whoever compares it with another: status, names of headers, a problem document word by word, and
 * of anything else the shape, which is its fields, the lengths of its lists and the kinds of its values.
 *
 * @param used ids that the request named itself: an echo of them says nothing
 */
export function tellOf({ statusCode, headers, body }: LightMyRequestResponse, used: readonly string[]): string {
  const names = Object.keys(headers).filter((name) => !counting.has(name));
  const text = used.reduce((rest, id) => rest.replaceAll(id, '#'), body);
  const type = String(headers['content-type'] ?? '');
  const said = statusCode >= 400 ? text : type.includes('json') ? shapeOf(parsed(body)) : body.split('\n').length;
  return JSON.stringify([statusCode, names.sort(), said]);
}

function parsed(body: string): unknown {
  const values = body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
  return values.length === 1 ? values[0] : values;
}

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]));
}
