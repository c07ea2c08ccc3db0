import { customType, pgSchema, timestamp } from 'drizzle-orm/pg-core';

/** The schema that cloud-api owns; no other program reads or writes it. */
export const cloud = pgSchema('cloud');

export const bytea = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => 'bytea',
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  fromDriver: (value) => new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
});

export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
