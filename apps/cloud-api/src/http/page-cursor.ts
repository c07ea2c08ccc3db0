import { rest } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { z } from 'zod';

const timeCursorSchema = z.tuple([rest.timestampSchema, z.string().min(1).max(1000)]);

/** What every paged list is asked for. */
export type PageQuery = z.infer<typeof rest.pageQuerySchema>;

/** Where a page ended: the sort key (a time) and the id of its last item. */
export interface TimeCursor {
  readonly time: Date;
  readonly id: string;
}

/** An opaque cursor. Keyset paging: rows that arrive meanwhile move no page's border. */
export function encodeCursor({ time, id }: TimeCursor): string {
  return Buffer.from(JSON.stringify([time.toISOString(), id])).toString('base64url');
}

/**
 * @param isId whether the list's ids look like this
 * @throws AppError `REQUEST.INVALID` for a cursor that we did not make
 */
export function decodeCursor(cursor: string, isId: (text: string) => boolean): TimeCursor {
  const parsed = timeCursorSchema.safeParse(parseJson(Buffer.from(cursor, 'base64url').toString('utf8')));
  if (!parsed.success || !isId(parsed.data[1])) {
    throw new AppError('REQUEST.INVALID', 'The cursor is not one of ours.');
  }
  const [time, id] = parsed.data;
  return { time: new Date(time), id };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Makes a page from `limit + 1` rows: the extra row tells that there is a next page.
 *
 * @param rows newest first
 */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  { item, cursor }: { readonly item: (row: Row) => Item; readonly cursor: (row: Row) => TimeCursor },
): { readonly items: Item[]; readonly nextCursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(item),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(cursor(last)) : null,
  };
}
