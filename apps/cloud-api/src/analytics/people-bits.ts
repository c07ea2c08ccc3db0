import { sql, type SQL } from 'drizzle-orm';

/** People of one block. `bit(4096)` of the migration. */
export const BLOCK = sql.raw('4096');
export const NOBODY = sql.raw(`B'0'::bit(4096)`);

/** The block of a person's number, and the set of this person alone within it. */
export const blockOf = (number: SQL): SQL => sql`${number} / ${BLOCK}`;
export const aloneIn = (number: SQL): SQL => sql`set_bit(${NOBODY}, ${number} % ${BLOCK}, 1)`;
export const has = (people: SQL, number: SQL): SQL => sql`get_bit(${people}, ${number} % ${BLOCK}) = 1`;
