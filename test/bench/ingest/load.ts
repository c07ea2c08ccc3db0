import type { DeviceId, TenantId } from '@sightline/kernel';
import { startTestDatabase } from '@sightline/database/testing';
import type { Mosquitto } from '@sightline/testing';

import { startDebianPostgres } from '../../database/debian-postgres.js';
import { CloudProcess } from '../../ingest/cloud-process.js';
import { SimulatedBox, templateFrom } from '../../ingest/simulated-box.js';
import { significant } from '../statistics.js';
import { bringBacklog, RETURNING_BATCH } from './backlog.js';
import { latenciesOf, recordAt } from './paced-load.js';
import { endlessProbes } from './probes.js';
import { BATCH_RECORDS, raiseLoad, saturate, type Load } from './saturation.js';

export const TENANT = 'default' as TenantId;
const ADMIN_KEY = 'bench-admin-key-0123456789abcdef';
const DIMENSION = 512;
const PROBES = 2000;
/** Far beyond any answer: what is measured is sent once. */
const PATIENT_MS = 120_000;
/** As boxes: see the delivery policy of the edge agent. */
const USUAL_MS = 7500;

export interface LoadOptions {
  readonly mosquitto: Mosquitto;
  readonly service: { readonly username: string; readonly password: string };
  /** Everybody's password at the broker. */
  readonly password: string;
  readonly devices: readonly string[];
  /** Devices that come back with a backlog. */
  readonly returning: readonly string[];
  readonly templates: number;
  /** Of saturation, and of the answers at half of it. */
  readonly seconds: number;
  readonly execArgv: readonly string[];
}

/** Sightings from MQTT to the committed decision: how many, how long an answer takes, and beside a backlog. */
export async function measureLoad(options: LoadOptions) {
  const { mosquitto, service, templates } = options;
  const postgres = await startDebianPostgres(['shared_preload_libraries=pg_stat_statements']);
  const database = await startTestDatabase({ serverUrl: postgres.url });
  try {
    const cloud = await CloudProcess.start({
      ...{ databaseUrl: database.url, adminKey: ADMIN_KEY, dimension: DIMENSION, execArgv: options.execArgv },
      mqtt: { url: mosquitto.url, ...service },
      verbose: true,
    });
    try {
      for (const id of [...options.devices, ...options.returning]) await cloud.register(id);
      console.error(`a gallery of ${templates} templates …`);
      const probes = await cloud.fillGallery({ templates, perPerson: 5, probes: PROBES });
      const nextProbe = endlessProbes(probes.map(templateFrom));
      return await measure(options, { postgres, cloud, databaseUrl: database.url, nextProbe });
    } finally {
      await cloud.stop();
    }
  } finally {
    await database.close();
    await postgres.stop();
  }
}

type Servers = Pick<Load, 'postgres' | 'cloud' | 'databaseUrl' | 'nextProbe'>;

async function measure(options: LoadOptions, servers: Servers) {
  const answered = new Map<string, number>();
  let answers = 0;
  const onIdentification = ({ sightingId }: { readonly sightingId: string }): void => {
    answers += 1;
    answered.set(sightingId, performance.now());
  };
  const usual = { url: options.mosquitto.url, password: options.password, onIdentification };
  const start = (ids: readonly string[], policy: { readonly batchRecords: number; readonly timeoutMs: number }) =>
    Promise.all(
      ids.map((id) =>
        SimulatedBox.start({ ...usual, ...policy, address: { tenantId: TENANT, deviceId: id as DeviceId } }),
      ),
    );
  const boxes = await start(options.devices, { batchRecords: BATCH_RECORDS, timeoutMs: PATIENT_MS });
  const returning = await start(options.returning, { batchRecords: RETURNING_BATCH, timeoutMs: USUAL_MS });
  const { mosquitto, seconds } = options;
  const load: Load = { ...servers, boxes, mosquitto, answers: () => answers, answered };
  try {
    console.error('saturation …');
    const saturated = await saturate(load, seconds);
    console.error(`${saturated.sightingsPerSecond} a second; live sightings, raised until the backlog grows …`);
    const raised = await raiseLoad(load, saturated.sightingsPerSecond);
    const halfPerSecond = raised.livePerSecond / 2;
    console.error(`half of ${raised.livePerSecond} a second …`);
    const answer = {
      ...(await latenciesOf(await recordAt(load, halfPerSecond, { ms: performance.now() + 1000 * seconds }), answered)),
      perSecond: significant(halfPerSecond),
    };
    console.error('a quarter of it beside a backlog …');
    const backlog = await bringBacklog(load, returning, halfPerSecond / 2);
    return { ...saturated, raised, answer, backlog };
  } finally {
    await Promise.all([...boxes, ...returning].map((box) => box.close()));
  }
}
