import { create, ScalarType, toBinary, type DescField, type DescMessage, type MessageShape } from '@bufbuild/protobuf';

type Draw = (below: number) => number;
const texts = [
  '',
  'x',
  'cam-1',
  '../..',
  '\0',
  '💥'.repeat(50),
  'x'.repeat(5000),
  '0190c0de-0000-7000-8000-000000000000',
  '+/#',
];
const numbers = [0, 1, -1, 0.5, NaN, Infinity, -Infinity, 1e38, 2 ** 31];

/** A message whose fields hold anything that their types can, or nothing. */
export function randomMessage<Desc extends DescMessage>(schema: Desc, draw: Draw, depth = 0): MessageShape<Desc> {
  const message = create(schema) as Record<string, unknown>;
  for (const field of schema.fields) {
    if (draw(4) === 0) continue;
    const value = fieldValue(field, draw, depth);
    if (value === undefined) continue;
    if (field.oneof === undefined) message[field.localName] = value;
    else message[field.oneof.localName] = { case: field.localName, value };
  }
  return message as MessageShape<Desc>;
}

function fieldValue(field: DescField, draw: Draw, depth: number): unknown {
  switch (field.fieldKind) {
    case 'scalar':
      return scalar(field.scalar, draw);
    case 'enum':
      return draw(8);
    case 'message':
      return depth > 5 ? undefined : randomMessage(field.message, draw, depth + 1);
    case 'list':
      return Array.from({ length: draw(4) }, () => item(field, draw, depth));
    case 'map':
      return {};
  }
}

function item(field: DescField & { readonly fieldKind: 'list' }, draw: Draw, depth: number): unknown {
  if (field.listKind === 'scalar') return scalar(field.scalar, draw);
  if (field.listKind === 'enum') return draw(8);
  // A record within a batch is a message in bytes.
  return randomMessage(field.message, draw, depth + 1);
}

function scalar(type: ScalarType, draw: Draw): unknown {
  switch (type) {
    case ScalarType.STRING:
      return texts[draw(texts.length)];
    case ScalarType.BYTES:
      return Uint8Array.from({ length: [0, 1, 16, 32, 512, 4096][draw(6)] ?? 0 }, () => draw(256));
    case ScalarType.BOOL:
      return draw(2) === 1;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return numbers[draw(numbers.length)];
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, BigInt(draw(1e6))][draw(5)];
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), BigInt(draw(1e6))][draw(5)];
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return [0, 1, 2 ** 32 - 1, draw(1e6)][draw(4)];
    default:
      return [0, -1, 2 ** 31 - 1, -(2 ** 31), draw(1e6)][draw(5)];
  }
}

/** Encodes a message, and then breaks the bytes in one of the ways in which bytes break. */
export function brokenBytes<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  draw: Draw,
): Uint8Array {
  const bytes = toBinary(schema, message);
  const at = draw(bytes.length + 1);
  switch (draw(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ (1 << draw(8)) : byte));
    case 2:
      return new Uint8Array(Buffer.concat([bytes.subarray(0, at), Buffer.alloc(10, 0xff), bytes.subarray(at)]));
    case 3:
      return new Uint8Array(Buffer.concat([bytes, bytes]));
    case 4:
      return Uint8Array.from({ length: draw(300) }, () => draw(256));
    default:
      return bytes;
  }
}
