import { pipeline, Transform, type Readable } from 'node:stream';

import { rest } from '@sightline/contracts';
import { AppError, isAppError } from '@sightline/kernel';
import { parse } from 'csv-parse';
import { z } from 'zod';

/** Rows of one enrolment. */
export const MOST_ROWS = 50_000;
/** Longest row, characters. */
const ROW_LENGTH = 64 * 1024;

const columns = ['name', 'photo', 'externalId', 'sites', 'groups'] as const;
type Column = (typeof columns)[number];
const required: readonly Column[] = ['name', 'photo'];

const absent = (text: unknown): unknown => (typeof text === 'string' && text.trim() === '' ? undefined : text);
const list = (text: unknown): unknown =>
  typeof text === 'string'
    ? text
        .split(';')
        .map((part) => part.trim())
        .filter((part) => part !== '')
    : [];

const rowSchema = z.object({
  name: rest.labelSchema,
  photo: z.string().trim().min(1).max(1000),
  externalId: z.preprocess(absent, rest.labelSchema.optional()),
  sites: z.preprocess(list, rest.slugSetSchema),
  groups: z.preprocess(list, rest.slugSetSchema),
});

/** Somebody to be enrolled by one photo. */
export type TableRow = z.output<typeof rowSchema>;

/** A row with its number, from 1, the head not counted; null: it does not say who is to be enrolled. */
export interface NumberedRow {
  readonly number: number;
  readonly content: TableRow | null;
}

/**
 * Reads a table of people: CSV (RFC 4180) in UTF-8, with a head that names the columns `name`, `photo` and, where
 * wanted, `externalId`, `sites` and `groups` (several slugs with `;` between them).
 *
 * @throws AppError `ENROLMENT.BAD_TABLE`
 */
export async function* readTable(content: Readable): AsyncGenerator<NumberedRow> {
  const parser = parse({
    columns: checkedHead,
    ...{ bom: true, skip_empty_lines: true, relax_column_count: true, max_record_size: ROW_LENGTH },
  });
  let number = 0;
  try {
    // Whoever fails ends them all, and thereby the loop.
    pipeline(content, asUtf8(), parser, () => undefined);
    for await (const record of parser as AsyncIterable<unknown>) {
      number += 1;
      if (number > MOST_ROWS) throw new AppError('ENROLMENT.BAD_TABLE', `A table has at most ${MOST_ROWS} rows.`);
      const row = rowSchema.safeParse(record);
      yield { number, content: row.success ? row.data : null };
    }
  } catch (error) {
    if (isAppError(error)) throw error;
    throw new AppError('ENROLMENT.BAD_TABLE', 'The table is no CSV in UTF-8.', { cause: error });
  }
}

/** @throws AppError `ENROLMENT.BAD_TABLE` for a column that is missing, there twice, or none of ours */
function checkedHead(head: readonly string[]): string[] {
  const names = head.map((name) => name.trim());
  const known = names.every((name) => (columns as readonly string[]).includes(name));
  const complete = required.every((name) => names.includes(name));
  if (known && complete && new Set(names).size === names.length) return names;
  throw new AppError(
    'ENROLMENT.BAD_TABLE',
    `The first row names the columns: ${required.join(', ')}, and perhaps ${columns.filter((name) => !required.includes(name)).join(', ')}.`,
  );
}

/** Passes text on, and fails at bytes that are not UTF-8: names would be stored with marks in the place of letters. */
function asUtf8(): Transform {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return new Transform({
    transform(chunk: Uint8Array, _, done) {
      settle(done, () => decoder.decode(chunk, { stream: true }));
    },
    flush(done) {
      settle(done, () => decoder.decode());
    },
  });
}

function settle(done: (error: Error | null, text?: string) => void, decode: () => string): void {
  try {
    done(null, decode());
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)));
  }
}
