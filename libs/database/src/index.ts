export { inChunks } from './chunks.js';
export { bytea, instant } from './columns.js';
export { databaseError, isUniqueViolation } from './database-error.js';
export {
  removeEmbeddedPostgres,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded/embedded-postgres.js';
export { migrate, type MigrateOptions } from './migrate.js';
export { openDatabase, type Database, type DatabaseOptions } from './open-database.js';
export { inTransaction, type Transaction } from './transaction.js';
