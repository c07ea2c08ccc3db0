import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { startMosquitto } from '@sightline/testing';

import { measureConsumers } from './ingest/consumer.js';
import { measureLoad, TENANT } from './ingest/load.js';
import { writeReport } from './report.js';
import { significant } from './statistics.js';

const usage = `npm run bench:ingest -- [--seconds 15] [--templates 100000] [--devices 200] [--cpu-prof]

Measures the ingest of sightings on this machine, with Debian's Mosquitto and PostgreSQL. Writes reports/ingest.json.
  sightingsPerSecond    from MQTT to the committed identification, answered, when boxes always have more to send
  answer.p50Ms, p99Ms   from the record on the box to its decision there, at half that load
  consumer.overMqttJs   CPU of one received message with a deferred acknowledgement over mqtt.js's message event
  consumer.overNest     the same as a transport of Nest over Nest's own
  cpuMsPerSighting, stages, statements: where the time goes at saturation

  --seconds    of each of the two measurements under load
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
    'cpu-prof': { type: 'boolean', default: false },
  },
});
const [seconds, templates, count] = [Number(values.seconds), Number(values.templates), Number(values.devices)];
if (values.help || !(seconds >= 1 && templates >= 1 && count >= 1)) {
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
const service = { username: 'cloud-api', password: PASSWORD };
const mosquitto = await startMosquitto({
  devices: devices.map((id) => `${TENANT}/${id}`),
  services: [service.username],
  password: PASSWORD,
});
try {
  const execArgv = values['cpu-prof'] ? ['--cpu-prof', '--cpu-prof-dir=reports'] : [];
  const load = await measureLoad({
    ...{ mosquitto, service, password: PASSWORD, devices, templates, seconds, execArgv },
  });
  console.error('consumers …');
  const consumer = await measureConsumers(mosquitto, {
    ...{ device: `${TENANT}/box-1`, service: service.username, password: PASSWORD },
  });
  console.table(load.statements);
  console.table({ ...load.stages, ...load.cpuMsPerSighting });
  console.table({
    sightingsPerSecond: load.sightingsPerSecond,
    'answer.p50Ms': load.answer.p50Ms,
    'answer.p99Ms': load.answer.p99Ms,
    'consumer.overMqttJs': consumer.overMqttJs,
    'consumer.overNest': consumer.overNest,
  });
  await writeReport('ingest', { machine, devices: count, templates, ...load, consumer, targets });
} finally {
  await mosquitto.close();
}
