import { workerData } from 'node:worker_threads';

/** How often it looks, ms: what a process can take meanwhile is some ten megabytes. */
const LOOK_MS = 20;

// In a thread of its own, since what takes the memory may not let go of the main one. Nobody could answer then: the
// process ends at once, and whoever started it says why.
const { memoryBytes } = workerData as { readonly memoryBytes: number };
setInterval(() => {
  if (process.memoryUsage.rss() > memoryBytes) process.kill(process.pid, 'SIGKILL');
}, LOOK_MS);
