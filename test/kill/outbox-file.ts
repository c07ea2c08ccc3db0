import Database from 'libsql';

export interface OutboxState {
  readonly streamId: string;
  readonly lastSequence: number;
  readonly acknowledgedThrough: number;
  readonly recordsLeft: number;
  readonly openSightings: number;
}

/** Reads what an agent's outbox says of itself, beside the running agent. */
export function readOutbox(path: string): OutboxState {
  const database = new Database(path, { readonly: true });
  try {
    const stream = database.prepare('SELECT id, last_sequence, acknowledged_through FROM stream').get() as {
      id: string;
      last_sequence: number;
      acknowledged_through: number;
    };
    const count = (table: string): number =>
      (database.prepare(`SELECT count(*) AS rows FROM ${table}`).get() as { rows: number }).rows;
    return {
      streamId: stream.id,
      lastSequence: stream.last_sequence,
      acknowledgedThrough: stream.acknowledged_through,
      recordsLeft: count('record'),
      openSightings: count('open_sighting'),
    };
  } finally {
    database.close();
  }
}
