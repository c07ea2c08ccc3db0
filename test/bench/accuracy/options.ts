import { parseArgs } from 'node:util';

export const help = `npm run bench:accuracy -- [options]

  --data <folder>   images/<identity>_<number>.jpg, pairs.tsv (fold, a, b, same), calibration.txt, unknown.txt
                    (default: ../shared/lfw-dev)
  --workers <n>     threads (default: 2)
  --quick           the default configuration alone: no roads, no degraded probes
  --road <text>     nothing but the roads whose names contain it; writes reports/accuracy-roads.json. May be
                    given several times
  --help

Prints tables and writes reports/accuracy.json. Progress goes to stderr. All of lfw-dev takes most of an
hour on two busy cores, --quick and a road four minutes.`;

export interface Options {
  readonly data: string;
  readonly workers: number;
  readonly quick: boolean;
  /** Parts of names of roads: nothing but these is measured. Empty: everything is. */
  readonly roads: readonly string[];
  readonly help: boolean;
}

/** @throws TypeError for unknown options */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: '../shared/lfw-dev' },
      workers: { type: 'string', default: '2' },
      quick: { type: 'boolean', default: false },
      road: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  const workers = Number(values.workers);
  if (!Number.isInteger(workers) || workers < 1) throw new TypeError('--workers takes a whole number of 1 or more.');
  return { ...values, workers, roads: values.road };
}
