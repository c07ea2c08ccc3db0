import type { rest } from '@sightline/contracts';
import { SightingPhase, topicOf } from '@sightline/contracts';
import { inTransaction } from '@sightline/database';
import { newStreamId, type DeviceId, type TenantId } from '@sightline/kernel';
import { connectMqtt } from '@sightline/messaging';
import { exampleOf, operationsOf, type ApiDocument, type ApiOperation } from '@sightline/testing';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';

import { Alerts } from '../alerts/alerts.js';
import { StrangerClustering } from '../strangers/stranger-clustering.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { axis, DIMENSION, templateOf } from './fake-release.js';
import { multipart } from './photos.js';
import type { TestCloud } from './test-cloud.js';
import { batchPayload, sightingPayload, until, wireTemplate } from './test-device.js';

export interface TestTenant {
  readonly id: TenantId;
  readonly adminKey: string;
  readonly provisioning: rest.Provisioning;
  /** Ids of what it has, by the path of the collection: `/v1/people`, `/v1/devices/cam/commands`. */
  readonly ids: ReadonlyMap<string, readonly string[]>;
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const json = { 'content-type': 'application/json' };

/** A request with somebody's credentials. */
export function requestAs(cloud: TestCloud, token: string, request: InjectOptions): Promise<LightMyRequestResponse> {
  return cloud.request({ ...request, headers: { authorization: `Bearer ${token}`, ...request.headers } });
}

/** Whether requests to a path never end by themselves. */
export const isStream = (path: string): boolean => path.endsWith('/live');

/** A tenant with one of everything that can be made over REST and MQTT. What it names has its own id in the name. */
export async function startTenant(cloud: TestCloud, platformKey: string, id: string): Promise<TestTenant> {
  const created = await requestAs(cloud, platformKey, { method: 'POST', url: '/v1/tenants', payload: { id } });
  const { adminKey } = created.json<rest.NewTenant>();
  const seed = new Seed(cloud, id, adminKey.secret);
  await seed.alerted();
  const provisioning = (await seed.post('/v1/devices', { id: `cam-${id}`, siteId: 'gate' })) as rest.Provisioning;
  await seed.everything(await documentOf(cloud));
  await seed.erased();
  await seed.seen(provisioning);
  await seed.retrained();
  return { id: id as TenantId, adminKey: adminKey.secret, provisioning, ids: seed.ids };
}

export async function documentOf(cloud: TestCloud): Promise<ApiDocument> {
  return (await cloud.api.app.inject('/openapi.json')).json();
}

/** Has a tenant's box send a sighting by a camera of this name, and a record that cannot be read. */
export async function sendSighting(
  cloud: TestCloud,
  { mqtt, tenantId, deviceId }: rest.Provisioning,
  cameraId: string,
): Promise<void> {
  const { username, password } = mqtt;
  const address = { tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
  const connection = await connectMqtt({ url: cloud.broker.url, clientId: username, username, password });
  const acknowledged: true[] = [];
  // Resolves once it is connected.
  await connection.subscribe(topicOf(address, 'sighting/ack'), async () => void acknowledged.push(true));
  const protector = await cloud.api.app.get(TemplateKeys).protector(address.tenantId, DIMENSION);
  const template = templateOf(axis(1), protector);
  const records = [
    {
      sequence: 1,
      payload: sightingPayload({ cameraId, phase: SightingPhase.CLOSE, templates: [wireTemplate(template)] }),
    },
    { sequence: 2, payload: new Uint8Array([255, 255, 255]) },
  ];
  await connection.publish(topicOf(address, 'sighting'), batchPayload(newStreamId(), records));
  await until(() => acknowledged[0], 'the acknowledgement');
  await connection.close();
}

class Seed {
  readonly ids = new Map<string, string[]>();

  constructor(
    private readonly cloud: TestCloud,
    private readonly tenant: string,
    private readonly key: string,
  ) {}

  async post(url: string, payload: object): Promise<unknown> {
    const response = await requestAs(this.cloud, this.key, { method: 'POST', url, payload, headers: json });
    if (response.statusCode >= 300) return undefined;
    const made = response.json<Record<string, unknown>>();
    const [id] = [made.id, made.deviceId, /"(?:id|erasureId)":"([^"]+)"/.exec(response.body)?.[1]].filter(
      (text) => typeof text === 'string',
    );
    if (id !== undefined) this.#add(url, id);
    return made;
  }

  /** Posts to every collection that has a path for one of its items: what is added to the API is made by itself. */
  async everything(document: ApiDocument): Promise<void> {
    const operations = operationsOf(document);
    const isCollection = ({ path }: ApiOperation) =>
      operations.some(
        (other) => other.path.startsWith(`${path}/{`) && !other.path.slice(path.length + 2).includes('/'),
      );
    for (const operation of operations.filter((one) => one.method === 'POST' && isCollection(one))) {
      const schema = operation.bodies['application/json'];
      if (schema === undefined || operation.path === '/v1/tenants') continue;
      const known = (name: string) => this.#known(name);
      for (const draw of [() => 0, (below: number) => below - 1]) {
        const body = exampleOf(schema, { document, draw, known, optional: false }) as object;
        await this.post(operation.path.replaceAll('{deviceId}', `cam-${this.tenant}`), body);
      }
    }
  }

  /** An alert that is older than every subscription: nobody is told of it. */
  async alerted(): Promise<void> {
    const { app, database } = this.cloud.api;
    const alert = { kind: 'drift' as const, tenantId: this.tenant as TenantId, dedupeKey: 'test', details: {} };
    await inTransaction(database, (tx) => app.get(Alerts).raise(tx, alert));
    await this.#list('/v1/alerts');
  }

  /** Somebody who was erased, two who were merged, a consent, and an enrolment in bulk. */
  async erased(): Promise<void> {
    const person = (await this.post('/v1/people', { name: `erased ${this.tenant}` })) as rest.Person;
    await requestAs(this.cloud, this.key, { method: 'DELETE', url: `/v1/people/${person.id}` });
    const [into, from] = [await this.#person('marker'), await this.#person('merged')];
    const payload = { from: from.id };
    const merge = await requestAs(this.cloud, this.key, {
      method: 'POST',
      url: `/v1/people/${into.id}/merge`,
      payload,
    });
    this.#add('/v1/merges', merge.json<rest.Merge>().id);
    const [table, type] = multipart([['people', `name,photo,externalId\nmarker ${this.tenant},none.jpg,e-1\n`]]);
    const file = table.toString().replace('name="people"', 'name="people"; filename="people.csv"');
    const headers = { 'content-type': type };
    const bulk = { method: 'POST' as const, url: '/v1/enrolments', payload: file, headers };
    this.#add('/v1/enrolments', (await requestAs(this.cloud, this.key, bulk)).json<rest.BulkEnrolment>().id);
    const consent = { purpose: 'access', legalBasis: 'consent', evidence: `marker ${this.tenant}` };
    await this.post(`/v1/people/${into.id}/consents`, consent);
  }

  /** A sighting and a record that cannot be read. */
  async seen(provisioning: rest.Provisioning): Promise<void> {
    const put = (url: string, payload: object) => requestAs(this.cloud, this.key, { method: 'PUT', url, payload });
    await put('/v1/decision-policy', { retention: { unknownHours: 24 } });
    await put('/v1/stranger-clustering', { sites: ['gate'] });
    await sendSighting(this.cloud, provisioning, `marker-${this.tenant}`);
    for (const url of ['/v1/sightings', '/v1/quarantine']) {
      await until(async () => ((await this.#list(url)).length > 0 ? true : undefined), `something at ${url}`);
    }
    await this.toldApart();
    await this.searched();
    for (const sighting of this.ids.get('/v1/sightings') ?? []) this.#add('/v1/identifications', `${sighting}:1`);
  }

  /** A labelled set, approved and evaluated, and what came of it. */
  async retrained(): Promise<void> {
    const [sites, purpose] = [['gate'], `marker-${this.tenant}`];
    await requestAs(this.cloud, this.key, { method: 'PUT', url: '/v1/retraining', payload: { sites } });
    const time = { from: '2026-01-01T00:00:00Z', until: '2030-01-01T00:00:00Z' };
    const set = (await this.post('/v1/labelled-sets', { sites, purpose, ...time })) as rest.LabelledSet;
    const auditor = (await this.post('/v1/api-keys', { label: 'auditor', role: 'auditor' })) as rest.NewApiKey;
    const approval = { method: 'POST', url: `/v1/labelled-sets/${set.id}/approval` } as const;
    await requestAs(this.cloud, auditor.secret, approval);
    await this.post('/v1/evaluations', { labelledSetId: set.id, siteId: 'gate' });
    const found = async () => ((await this.#list('/v1/proposals')).length > 0 ? true : undefined);
    await until(found, 'the proposal of an evaluation');
  }

  /** A stranger: whoever was seen now, and is kept and told apart for that. */
  async toldApart(): Promise<void> {
    await this.cloud.api.app.get(StrangerClustering).pass(new AbortController().signal);
    await this.#list('/v1/strangers');
  }

  /** A search with the sighting. */
  async searched(): Promise<void> {
    const payload = {
      sightingId: this.ids.get('/v1/sightings')?.[0],
      purpose: 'other',
      reason: `marker ${this.tenant}`,
    };
    await this.post('/v1/searches', payload);
    await this.#list('/v1/searches');
  }

  async #person(kind: string): Promise<rest.Person> {
    const payload = { name: `${kind} ${this.tenant}`, externalId: `${kind}-${this.tenant}` };
    return (await this.post('/v1/people', payload)) as rest.Person;
  }

  async #list(url: string): Promise<readonly string[]> {
    const page = (await requestAs(this.cloud, this.key, { url })).json<{
      items?: readonly Record<string, unknown>[];
    }>();
    for (const { id } of page.items ?? []) if (typeof id === 'string') this.#add(url, id);
    return (page.items ?? []).map((item) => JSON.stringify(item));
  }

  #add(url: string, id: string): void {
    const known = this.ids.get(url) ?? [];
    if (!known.includes(id)) this.ids.set(url, [...known, id]);
  }

  #known(name: string): unknown {
    if (name === 'name' || name === 'label') return `marker ${this.tenant}`;
    if (name === 'role') return 'operator';
    if (name === 'id') return `made-${this.tenant}`;
    return name === 'personId' ? this.ids.get('/v1/people')?.[0] : undefined;
  }
}

/** Everything of a tenant that must not be in an answer to another: ids that nobody else can have, and its marks. */
export function traces(tenant: TestTenant): readonly string[] {
  const ids = [...tenant.ids.values()].flat().filter((id) => id.match(uuid) !== null);
  return [...ids, `marker ${tenant.id}`, `marker-${tenant.id}`, `cam-${tenant.id}`];
}
