export { defineJob, defineTrigger, type JobKind } from './job-kind.js';
export type { JobRun, Jobs } from './jobs.js';
export { openJobs } from './open-jobs.js';
