import {
  channels,
  tenantChannels,
  tenantFilter,
  TOPIC_ROOT,
  type Channel,
  type TenantChannel,
} from '@sightline/contracts';

/** What one service may do beside what the contract gives a service. */
export interface MosquittoService {
  /** The user name. */
  readonly name: string;
  /** Default: every channel that devices publish on. */
  readonly reads?: readonly Channel[];
  /** Default: every channel that services publish on. */
  readonly writes?: readonly Channel[];
  /** May clear what a broker keeps of a device: an empty retained message, which Mosquitto cannot tell from others. */
  readonly clears?: boolean;
  /** Publishes what concerns a tenant as a whole. */
  readonly tellsTenants?: boolean;
}

const all = Object.keys(channels) as Channel[];
const allOfTenants = Object.keys(tenantChannels) as TenantChannel[];
const publishedBy = (publisher: 'device' | 'service'): readonly Channel[] =>
  all.filter((channel) => channels[channel].publisher === publisher);
const retained: readonly Channel[] = all.filter((channel) => channels[channel].retain);

/**
 * The contract as an access list of Mosquitto: a device, whose user name (`%u`) is `{tenant}/{device}`, writes what a
 * device publishes and reads what a service publishes, below its own prefix; a service the other way round, of every
 * device. A listener, `{tenant}/_tenant`, reads what concerns its tenant. Mosquitto 2.0 grants every subscription and applies `read` to each message that it would send.
 */
export function mosquittoAccessList(services: readonly MosquittoService[]): string {
  const perService = services.flatMap(({ name, reads, writes, clears = false, tellsTenants = false }) => {
    const written = new Set([...(writes ?? publishedBy('service')), ...(clears ? retained : [])]);
    return [
      `user ${name}`,
      ...(reads ?? publishedBy('device')).map((channel) => `topic read ${TOPIC_ROOT}/+/+/${channel}`),
      ...all.filter((channel) => written.has(channel)).map((channel) => `topic write ${TOPIC_ROOT}/+/+/${channel}`),
      ...allOfTenants.filter(() => tellsTenants).map((channel) => `topic write ${tenantFilter(channel)}`),
      '',
    ];
  });
  const perDevice = [
    ...publishedBy('service').map((channel) => `pattern read ${TOPIC_ROOT}/%u/${channel}`),
    ...allOfTenants.map((channel) => `pattern read ${TOPIC_ROOT}/%u/${channel}`),
    ...publishedBy('device').map((channel) => `pattern write ${TOPIC_ROOT}/%u/${channel}`),
  ];
  return [...perService, ...perDevice, ''].join('\n');
}

/** The services of an installation, each with the documents whose only writer it is. */
export const mosquittoServices: readonly MosquittoService[] = [
  {
    name: 'cloud-api',
    writes: publishedBy('service').filter((channel) => channel !== 'desired/release'),
    clears: true,
    tellsTenants: true,
  },
  {
    name: 'model-registry',
    reads: ['birth', 'state/reported', 'release/state', 'health/window'],
    writes: ['desired/release'],
  },
];
