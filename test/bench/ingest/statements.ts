import { openDatabase } from '@sightline/database';
import { silentLogger } from '@sightline/kernel';

export interface StatementFigures {
  /** The first words of the statement. */
  readonly statement: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
}

/** What `pg_stat_statements` has counted, the most expensive statements first. */
export async function statementFigures(url: string, reset: boolean): Promise<readonly StatementFigures[]> {
  const database = await openDatabase({ url, log: silentLogger, maxConnections: 1 });
  try {
    await database.pool.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    if (reset) await database.pool.query('SELECT pg_stat_statements_reset()');
    const { rows } = await database.pool.query<{ query: string; calls: string; ms: number; rows: string }>(
      `SELECT query, calls, total_exec_time AS ms, rows FROM pg_stat_statements
       ORDER BY total_exec_time DESC LIMIT 16`,
    );
    return rows.map(({ query, calls, ms, rows: returned }) => ({
      statement: query.replace(/\s+/g, ' ').trim().slice(0, 90),
      ...{ calls: Number(calls), totalMs: Math.round(ms), rows: Number(returned) },
    }));
  } finally {
    await database.close();
  }
}
