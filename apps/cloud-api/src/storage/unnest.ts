import { sql, type Column, type SQL } from 'drizzle-orm';

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

/** Whether a column has one of the values, which are one parameter however many they are: `column = ANY ($1::uuid[])`. */
export function isOneOf(column: Column, type: ColumnType, values: readonly (string | number)[]): SQL {
  return sql`${column} = ANY (${sql.param(values)}::${sql.raw(type)}[])`;
}
