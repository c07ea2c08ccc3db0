import { configDefaults, defineConfig } from 'vitest/config';

// Two suites. `unit` needs no server: sources beside their tests, other packages as built. `system` starts
// real servers and kills processes, so its files run one after the other. Tests beside their sources that take long,
// since they start programs for each case, are `*.system.test.ts` and run with it.
const beside = '{libs,apps}/*/{src,test}/**';
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [`${beside}/*.test.ts`, 'infra/**/*.test.ts'],
          exclude: [...configDefaults.exclude, `${beside}/*.system.test.ts`],
          // Files share a process and what it has imported: half the processor time. No test leaves anything behind.
          isolate: false,
          // By itself Vitest leaves a core alone; much of the time is spent waiting for servers.
          maxWorkers: '100%',
          testTimeout: 20_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts', `${beside}/*.system.test.ts`],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
