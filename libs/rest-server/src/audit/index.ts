export { appendToChain, chainHead } from './audit-chain.js';
export {
  chained,
  emptyChain,
  hashOf,
  type AuditAction,
  type AuditEntry,
  type ChainedEntry,
  type ChainHead,
} from './audit-entry.js';
export { auditTables } from './audit-tables.js';
export { AuditViews } from './audit-views.js';
export { AuditController } from './audit.controller.js';
