import { pipeline, Readable } from 'node:stream';

import { StreamableFile } from '@nestjs/common';
import { stringify } from 'csv-stringify';

/**
 * A table as CSV (RFC 4180) with a head, in UTF-8. Text that a spreadsheet would take for a formula is led by an
 * apostrophe (OWASP, "CSV Injection"): names come from outside. The rows are read as fast as the client takes them.
 *
 * @param columns names of the rows' fields, in the order of the table; what is null is an empty field
 */
export function csvFile<Row extends object>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  columns: readonly (keyof Row & string)[],
): StreamableFile {
  const table = stringify({ header: true, columns: [...columns], escape_formulas: true });
  // A failure of either ends the answer short; Nest logs it.
  pipeline(Readable.from(rows), table, () => undefined);
  return new StreamableFile(table);
}
