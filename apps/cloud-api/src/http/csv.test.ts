import { text } from 'node:stream/consumers';

import { describe, expect, it } from 'vitest';

import { csvFile } from './csv.js';

const written = (rows: readonly object[]) => text(csvFile(rows, ['name', 'count'] as never[]).getStream());

describe('a table as CSV', () => {
  it('has a head, and only the columns that were asked for, in their order', async () => {
    expect(await written([{ count: 3, name: 'Ada', more: 'x' }])).toBe('name,count\nAda,3\n');
    expect(await written([])).toBe('name,count\n');
  });

  it('quotes what would be read as another field, and leaves empty what is not there', async () => {
    const rows = [{ name: 'Lovelace, "Ada"\nKing', count: null }];
    expect(await written(rows)).toBe('name,count\n"Lovelace, ""Ada""\nKing",\n');
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '＝1'])('does not let %j be a formula', async (name) => {
    expect(await written([{ name, count: -1 }])).toBe(`name,count\n'${name},-1\n`);
  });

  it('ends short when its rows fail', async () => {
    async function* failing() {
      yield { name: 'Ada', count: 1 };
      throw new Error('gone');
    }
    await expect(text(csvFile(failing(), ['name']).getStream())).rejects.toThrow('gone');
  });
});
