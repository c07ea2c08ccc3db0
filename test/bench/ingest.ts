import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { startMosquitto } from '@sightline/testing';

import { RETURNING } from './ingest/backlog.js';
import { measureConsumers } from './ingest/consumer.js';
import { measureLoad, TENANT } from './ingest/load.js';
import { writeReport } from './report.js';
import { significant } from './statistics.js';

const usage = `npm run bench:ingest -- [--seconds 15] [--templates 100000] [--devices 200] [--only load|consumers] [--cpu-prof]

Measures the ingest of sightings on this machine, with Debian's Mosquitto and PostgreSQL, in about four minutes. Writes
reports/ingest.json.
  sightingsPerSecond    from MQTT to the committed identification, answered, when boxes always have more to send
  halves                the same in the first and the second half of the time: steady, or not
  raised.livePerSecond  live sightings, each sent as it happens, that can be kept up: raised until the backlog grows
  answer.p50Ms, p99Ms   from the record on the box to its decision there, at half of raised.livePerSecond
  backlog               the same at a quarter, while ten boxes bring a day's backlog; and how fast that goes
  consumer.overMqttJs   CPU of one received message with a deferred acknowledgement over mqtt.js's message event
  consumer.overNest     the same as a transport of Nest over Nest's own
  cpuMsPerSighting, coresBusy, stages, statements: where the time goes at saturation

  --seconds    of saturation, and of the answers at half load
  --only       one of the two parts, without a report
  --cpu-prof   a CPU profile of cloud-api, below reports/`;

/** At least, or at most: what the benchmark is held against. */
const targets: Readonly<Record<string, string>> = { 'consumer.overMqttJs': '≤ 1.5', 'consumer.overNest': '≤ 0.34' };

const PASSWORD = 'bench';

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '15' },
    templates: { type: 'string', default: '100000' },
    devices: { type: 'string', default: '200' },
    only: { type: 'string', default: 'all' },
    'cpu-prof': { type: 'boolean', default: false },
  },
});
const [seconds, templates, count] = [Number(values.seconds), Number(values.templates), Number(values.devices)];
const parts = values.only === 'all' ? ['load', 'consumers'] : [values.only];
const isKnown = parts.every((part) => part === 'load' || part === 'consumers');
if (values.help || !isKnown || !(seconds >= 1 && templates >= 1 && count >= 1)) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: availableParallelism(),
  node: process.version,
  loadAverage: significant(loadavg()[0] ?? 0),
};
const devices = Array.from({ length: count }, (_, index) => `box-${index + 1}`);
const returning = Array.from({ length: RETURNING }, (_, index) => `returning-${index + 1}`);
const service = { username: 'cloud-api', password: PASSWORD };
const mosquitto = await startMosquitto({
  devices: [...devices, ...returning].map((id) => `${TENANT}/${id}`),
  services: [service.username],
  password: PASSWORD,
});
try {
  // The consumers first: what PostgreSQL still writes after the load would be beside them.
  const consumer = parts.includes('consumers') ? await consumerFigures() : undefined;
  const load = parts.includes('load') ? await loadFigures() : undefined;
  if (load && consumer) await writeReport('ingest', { machine, devices: count, templates, ...load, consumer, targets });
} finally {
  await mosquitto.close();
}

async function loadFigures() {
  const execArgv = values['cpu-prof'] ? ['--cpu-prof', '--cpu-prof-dir=reports'] : [];
  const load = await measureLoad({
    ...{ mosquitto, service, password: PASSWORD, devices, returning, templates, seconds, execArgv },
  });
  console.table(load.statements);
  console.table({ ...load.stages, ...load.cpuMsPerSighting, coresBusy: load.coresBusy });
  console.table({
    sightingsPerSecond: load.sightingsPerSecond,
    halves: load.halves.join(', '),
    'raised.livePerSecond': load.raised.livePerSecond,
    'answer.p50Ms': load.answer.p50Ms,
    'answer.p99Ms': load.answer.p99Ms,
    'backlog.answer.p50Ms': load.backlog.answer.p50Ms,
    'backlog.answer.p99Ms': load.backlog.answer.p99Ms,
    'backlog.answer.unanswered': load.backlog.answer.unanswered,
    'backlog.perSecond': load.backlog.perSecond,
  });
  return load;
}

async function consumerFigures() {
  console.error('consumers …');
  const consumer = await measureConsumers(mosquitto, {
    ...{ device: `${TENANT}/box-1`, service: service.username, password: PASSWORD },
  });
  console.table({ 'consumer.overMqttJs': consumer.overMqttJs, 'consumer.overNest': consumer.overNest });
  return consumer;
}
