import { getTableColumns, getTableName, sql, type SQL } from 'drizzle-orm';
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';

/**
 * Rows of a table as one parameter: `INSERT INTO t (a, b, …) SELECT a, b, … FROM json_populate_recordset(NULL::t, $1)`.
 * For many rows of many columns it costs a fraction of a parameter for each value, both here and in the server. The
 * columns are those of the first row: every row has the same.
 *
 * @returns the statement, to which what happens on a conflict can be added
 */
export function insertAsJson<Table extends PgTable>(table: Table, rows: readonly Table['$inferInsert'][]): SQL {
  const columns = getTableColumns(table);
  const names = Object.keys(rows[0] ?? {}).map((property) => [property, columns[property]?.name ?? property] as const);
  const list = sql.join(
    names.map(([, name]) => sql.identifier(name)),
    sql`, `,
  );
  const named = rows.map((row: Readonly<Record<string, unknown>>) => {
    const columnsOfRow: Record<string, unknown> = {};
    for (const [property, name] of names) columnsOfRow[name] = toJson(row[property]);
    return columnsOfRow;
  });
  const type = sql`${sql.identifier(getTableConfig(table).schema ?? 'public')}.${sql.identifier(getTableName(table))}`;
  return sql`INSERT INTO ${type} (${list})
    SELECT ${list} FROM json_populate_recordset(NULL::${type}, ${JSON.stringify(named)}::json)`;
}

/** Bytes in PostgreSQL's hex form, which a cast from text reads. */
function toJson(value: unknown): unknown {
  return value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : value;
}
