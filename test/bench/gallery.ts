import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { measureFlat, type FlatReport } from './gallery/flat.js';
import { dimension } from './gallery/faces.js';
import { openFloor } from './gallery/floor.js';
import { measureLoop } from './gallery/loop.js';
import { measurePeers } from './gallery/peers.js';
import { writeReport } from './report.js';
import { significant } from './statistics.js';

const usage = `npm run bench:gallery -- [--million no] [--peers no]

Measures the flat gallery: made-up faces of 512 components, five templates a person, one partition.
Writes reports/gallery.json.
  flat.{10k,100k,1m}   one search as cloud-api makes it, thread change and all: p50Ms, p99Ms; batch32PerSecond: queries a
                       second in batches of 32; recall1: against a search over everything, half of the probes strangers;
                       filtered: with a group that 1 % are in, with a site that two thirds are let through for
  flat.100k.overFloor  one search over reading as many bytes as its codes have, on one thread, in the same run
  jsLoop, usearch, hnswlib   the same faces: a loop in JavaScript; other libraries, exact and by a graph

  --million no   without the million: half the time
  --peers no     without other libraries, of which hnswlib-node needs a C++ compiler`;

const targets: Readonly<Record<string, string>> = {
  'flat.*.recall1': '= 1',
  'flat.100k.overFloor': '≤ 1.5',
};

const yesOrNo = { type: 'string', default: 'yes' } as const;
const { values } = parseArgs({
  options: { help: { type: 'boolean', default: false }, million: yesOrNo, peers: yesOrNo },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: availableParallelism(),
  node: process.version,
  loadAverage: significant(loadavg()[0] ?? 0),
};
const sizes = { '10k': 10_000, '100k': 100_000, '1m': 1_000_000 };

console.error('flat, 10,000 …');
const ten = await measureFlat({ templates: sizes['10k'], searches: 1000, batches: 40, compared: 100 });
console.error('flat, 100,000 …');
const floor = await openFloor(sizes['100k'] * dimension);
const hundred = await measureFlat({ templates: sizes['100k'], searches: 400, batches: 15, compared: 60, floor });
const flat: Record<string, FlatReport> = { '10k': ten, '100k': hundred };
if (values.million === 'yes') {
  console.error('flat, 1,000,000 …');
  flat['1m'] = await measureFlat({ templates: sizes['1m'], searches: 100, batches: 4, compared: 16 });
}
console.error('JavaScript loop …');
const jsLoop = await measureLoop({ '10k': sizes['10k'], '100k': sizes['100k'] });
const peers = values.peers === 'yes' ? await measurePeers({ '10k': sizes['10k'], '100k': sizes['100k'] }) : {};

console.table(
  Object.fromEntries(
    Object.entries(flat).map(([size, { p50Ms, p99Ms, batch32PerSecond, recall1, overFloor }]) => [
      `flat.${size}`,
      { p50Ms, p99Ms, batch32PerSecond, recall1, ...(overFloor !== undefined && { overFloor }) },
    ]),
  ),
);
console.log(JSON.stringify({ jsLoop, ...peers }, null, 2));
await writeReport('gallery', { machine, flat, jsLoop, ...peers, targets });
