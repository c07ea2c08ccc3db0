/** Rows of one INSERT: far from the 65,535 parameters that PostgreSQL's protocol allows. */
const ROWS = 500;

/** Runs a statement for every chunk of rows, in order, and gathers what it returns. */
export async function inChunks<Row, Result>(
  rows: readonly Row[],
  statement: (chunk: Row[]) => PromiseLike<readonly Result[]>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < rows.length; start += ROWS) {
    results.push(...(await statement(rows.slice(start, start + ROWS))));
  }
  return results;
}
