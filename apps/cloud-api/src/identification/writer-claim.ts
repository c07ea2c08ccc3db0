import { databaseError, type Database } from '@sightline/database';

/** Why the lock is taken with two keys: the first names what is locked, so that no other lock is met by chance. */
const WRITER = 'sightline gallery writer';

/**
 * The right to change a shared gallery: an advisory lock on a connection of its own, which the server gives back when
 * the process dies, however that happens.
 */
export class WriterClaim {
  /** Aborted when the connection is lost: somebody else may hold the claim. */
  readonly lost: AbortSignal;
  readonly #release: () => void;

  private constructor(lost: AbortSignal, release: () => void) {
    this.lost = lost;
    this.#release = release;
  }

  /**
   * @param id the gallery's
   * @returns undefined when somebody else has it
   * @throws AppError `DATABASE.UNAVAILABLE`
   */
  static async take({ pool }: Pick<Database, 'pool'>, id: string): Promise<WriterClaim | undefined> {
    const connection = await pool.connect();
    const lost = new AbortController();
    const lose = (): void => lost.abort(new Error('the claim to the gallery is lost'));
    connection.once('error', lose);
    connection.once('end', lose);
    const forget = (): void => {
      connection.removeListener('error', lose);
      connection.removeListener('end', lose);
    };
    try {
      const { rows } = await connection.query<{ readonly granted: boolean }>(
        'SELECT pg_try_advisory_lock(hashtext($1), hashtext($2)) AS granted',
        [WRITER, id],
      );
      if (rows[0]?.granted === true) {
        return new WriterClaim(lost.signal, () => {
          forget();
          // Closed, not reused: it holds the lock.
          connection.release(true);
        });
      }
    } catch (error) {
      forget();
      connection.release(true);
      throw databaseError(error);
    }
    forget();
    connection.release();
    return undefined;
  }

  /** Gives it back. Safe to call when it is lost. */
  release(): void {
    this.#release();
  }
}
