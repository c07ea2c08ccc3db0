import { exampleOf, type ApiDocument, type ApiOperation } from '@sightline/testing';

type Draw = (below: number) => number;

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

const texts = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1e400',
    'NaN',
    'null',
    'true',
    '[]',
    '%00',
    '%zz',
    '..%2f..',
    '%ed%a0%80',
    '\u{1f4a5}',
    '$ne',
    "' OR 1=1 --",
  ],
  ...[
    'x'.repeat(300),
    'x'.repeat(7000),
    '__proto__',
    'constructor',
    '9'.repeat(40),
    '2026-13-45T99:99:99Z',
    '0000-00-00',
  ],
];
/** JSON that no `JSON.stringify` writes. */
const rawJson = [
  ...[
    '',
    '{',
    'NaN',
    '{"a":NaN}',
    '[1e400]',
    '{"__proto__":{"admin":true}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '"\\ud800"',
  ],
  ...[
    '[]',
    'null',
    '0',
    '"text"',
    '{"a":1,"a":2}',
    '\ufeff{}',
    '{"toString":1}',
    '['.repeat(20_000),
    '{"a":'.repeat(20_000),
  ],
  ...[`{"name":"${'x'.repeat(500_000)}"}`, `[${'0,'.repeat(200_000)}0]`],
];
const values: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 1e308, 2 ** 53, '', ' ', '\0', '\ud800', '\u202e', [], {}, [[]], [null], { length: 1e9 }],
  ...[
    'x'.repeat(100_000),
    '💥'.repeat(300),
    Array.from({ length: 2000 }, () => 'x'),
    JSON.parse('{"__proto__":{"x":1}}') as unknown,
  ],
];
const mediaTypes = [
  ...[
    'application/json',
    'application/json; charset=utf-16',
    'text/plain',
    'application/xml',
    'image/jpeg',
    'image/png',
    'x',
    '',
  ],
  ...[
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=b',
    'application/x-www-form-urlencoded',
  ],
];

/** A request to an operation: nearly what its schema says, and wrong in one or more places. */
export function randomRequest(operation: ApiOperation, document: ApiDocument, draw: Draw): RawRequest {
  const options = { document, draw, optional: true };
  const value = (schema: ApiOperation['parameters'][number]['schema']): string =>
    draw(3) === 0 ? pick(texts, draw) : encodeURIComponent(String(exampleOf(schema, options)));
  let { path } = operation;
  const query: string[] = [];
  for (const { name, in: place, schema } of operation.parameters) {
    if (place === 'path') path = path.replace(`{${name}}`, () => value(schema) || 'x');
    else if (draw(2) === 0) query.push(`${name}${pick(['', '', '', '[]', '[x]'], draw)}=${value(schema)}`);
    if (draw(12) === 0) query.push(`${name}=${pick(texts, draw)}`, `${name}=1`);
  }
  const address = query.length > 0 ? `${path}?${query.join('&')}` : path;
  const { method } = operation;
  if (method === 'GET' || method === 'HEAD') return { method, path: address, headers: {} };
  return { method, path: address, ...bodyOf(operation, document, draw) };
}

function bodyOf({ bodies }: ApiOperation, document: ApiDocument, draw: Draw): Pick<RawRequest, 'headers' | 'body'> {
  const type = pick([...Object.keys(bodies), ...Object.keys(bodies), pick(mediaTypes, draw)], draw);
  const headers: Record<string, string> = type === '' ? {} : { 'content-type': type };
  if (type.startsWith('multipart/form-data')) {
    return { headers: { 'content-type': draw(4) === 0 ? type : 'multipart/form-data; boundary=b' }, body: form(draw) };
  }
  const schema = bodies[type];
  if (!type.includes('json') || schema === undefined) return { headers, body: noise(draw) };
  if (draw(4) === 0) return { headers, body: bytes(pick(rawJson, draw)) };
  const example = exampleOf(schema, { document, draw, optional: true });
  return { headers, body: bytes(JSON.stringify(draw(4) === 0 ? example : mutated(example, draw))) };
}

/** Changes one place of a value, however deep. */
function mutated(value: unknown, draw: Draw): unknown {
  if (typeof value !== 'object' || value === null || draw(4) === 0) return pick(values, draw);
  if (Array.isArray(value)) {
    const at = draw(value.length + 1);
    return [
      ...(value as unknown[]).slice(0, at),
      mutated((value as unknown[])[at], draw),
      ...(value as unknown[]).slice(at + 1),
    ];
  }
  const entries = Object.entries(value);
  const [name] = entries[draw(Math.max(1, entries.length))] ?? ['x'];
  if (draw(6) === 0) return { ...value, [pick(texts, draw)]: pick(values, draw) };
  return { ...value, [name]: mutated((value as Record<string, unknown>)[name], draw) };
}

function form(draw: Draw): Uint8Array {
  const part = (): string => {
    const name = pick(
      ['photo', 'reference', 'personId', 'template', 'rows', 'images', '', 'x'.repeat(2000), '__proto__'],
      draw,
    );
    const file = draw(2) === 0 ? `; filename="${pick(['a.jpg', '../../etc/passwd', '', '\0'], draw)}"` : '';
    const type = draw(2) === 0 ? `content-type: ${pick(mediaTypes, draw)}\r\n` : '';
    return `--b\r\ncontent-disposition: form-data; name="${name}"${file}\r\n${type}\r\n${pick(rawJson, draw).slice(0, 5000)}\r\n`;
  };
  const whole = `${Array.from({ length: draw(5) }, part).join('')}${pick(['--b--\r\n', '--b', '', '--c--'], draw)}`;
  return bytes(draw(4) === 0 ? whole.slice(0, draw(whole.length + 1)) : whole);
}

function noise(draw: Draw): Uint8Array {
  return Uint8Array.from({ length: [0, 1, 100, 5000][draw(4)] ?? 0 }, () => draw(256));
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const pick = <T>(list: readonly T[], draw: Draw): T => list[draw(list.length)] as T;
