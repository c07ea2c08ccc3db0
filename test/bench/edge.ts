import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { measurePerception } from './edge/perception.js';
import { writeReport } from './report.js';
import { significant } from './statistics.js';

const usage = `npm run bench:edge -- [--seconds 10]

Measures the edge agent on this machine. Writes reports/edge.json.
  fps.cameras1, fps.cameras4  frames a second at 720p that are searched for faces, all of them, from films of people
                              walking by, through FFmpeg; two workers
  cpu.stillOverMoving         CPU time of the agent before an empty room over that before people walking by, both at
                              ten frames a second; withFfmpeg: with that of its FFmpeg

  --seconds  of each measurement`;

/** At least, or at most: what the benchmark is held against. */
const targets: Readonly<Record<string, string>> = {
  'cpu.stillOverMoving': '≤ 0.125',
};

const { values } = parseArgs({
  options: { help: { type: 'boolean', default: false }, seconds: { type: 'string', default: '10' } },
});
const seconds = Number(values.seconds);
if (values.help || !(seconds >= 1)) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: availableParallelism(),
  node: process.version,
  loadAverage: significant(loadavg()[0] ?? 0),
};
const { runs, ...perception } = await measurePerception(seconds);
console.table(runs);
console.table({ fps: perception.fps, cpu: perception.cpu });
await writeReport('edge', { machine, ...perception, targets, runs });
