import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { measureActions } from './edge/actions.js';
import { measureLocalMatch } from './edge/local-match.js';
import { measureOutbox } from './edge/outbox.js';
import { measurePerception } from './edge/perception.js';
import { writeReport } from './report.js';
import { significant } from './statistics.js';

const usage = `npm run bench:edge -- [--seconds 20]

Measures the edge agent on this machine. Writes reports/edge.json.
  fps.cameras1, fps.cameras4  frames a second at 720p that are searched for faces, all of them, from films of people
                              walking by, through FFmpeg; two workers
  cpu.stillOverMoving         CPU time of the agent before an empty room over that before people walking by, both at
                              ten frames a second; withFfmpeg: with that of its FFmpeg
  localMatch.p99Ms            one decision of the box's own among 10,000 templates; idleP99Ms: a loop that does nothing, as
                              long as the median decision, in turns with them: what the machine itself adds
  outbox.groupOverSingle      records stored a second in groups over one by one, both durably
  action.p99Ms                from the capture of the decisive frame to the action on this machine

  --seconds  of each measurement of frames and CPU time`;

/** At least, or at most: what the benchmark is held against. */
const targets: Readonly<Record<string, string>> = {
  'cpu.stillOverMoving': '≤ 0.125',
  'localMatch.p99Ms': '≤ 2',
  'outbox.groupOverSingle': '≥ 40',
  'action.p99Ms': '≤ 150',
};

const { values } = parseArgs({
  options: { help: { type: 'boolean', default: false }, seconds: { type: 'string', default: '20' } },
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
console.error('local match …');
const localMatch = await measureLocalMatch();
console.error('outbox …');
const outbox = await measureOutbox();
console.error('actions …');
const action = await measureActions();
console.table(runs);
console.table({
  'fps.cameras1': perception.fps.cameras1,
  'fps.cameras4': perception.fps.cameras4,
  'cpu.stillOverMoving': perception.cpu.stillOverMoving,
  'localMatch.p99Ms': localMatch.p99Ms,
  'localMatch.idleP99Ms': localMatch.idleP99Ms,
  'outbox.groupOverSingle': outbox.groupOverSingle,
  'action.p99Ms': action.p99Ms,
});
await writeReport('edge', { machine, ...perception, localMatch, outbox, action, targets, runs });
