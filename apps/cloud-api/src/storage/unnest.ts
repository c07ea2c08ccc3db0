import { sql, type SQL } from 'drizzle-orm';

/** Types of columns that are handed over as arrays. */
type ColumnType = 'text' | 'uuid' | 'bigint' | 'integer' | 'timestamptz' | 'double precision';

/**
 * Rows as one parameter for each column: `unnest($1::text[], $2::uuid[], …)`. The statement's text is the same for any
 * number of rows, and neither Drizzle nor the server has a parameter for each value to look at.
 *
 * @param columns each with a value for every row
 */
export function unnest(columns: readonly (readonly [ColumnType, readonly (string | number | null)[]])[]): SQL {
  const arrays = columns.map(([type, values]) => sql`${sql.param(values)}::${sql.raw(type)}[]`);
  return sql`unnest(${sql.join(arrays, sql`, `)})`;
}
