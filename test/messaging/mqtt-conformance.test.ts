import type { DeviceId, TenantId } from '@sightline/kernel';
import { startEmbeddedBroker, type BrokerIdentity } from '@sightline/messaging';
import { startMosquitto } from '@sightline/testing';

import { describeMqttConformance, DEVICES, PASSWORD, SERVICES, type BrokerUnderTest } from './mqtt-conformance.js';

async function authenticate(username: string, password: string): Promise<BrokerIdentity | undefined> {
  if (password !== PASSWORD) return undefined;
  if (SERVICES.includes(username)) return { kind: 'service', name: username };
  if (!DEVICES.includes(username)) return undefined;
  const [tenantId, deviceId] = username.split('/');
  return { kind: 'device', tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
}

async function startEmbedded(): Promise<BrokerUnderTest> {
  let broker = await startEmbeddedBroker({ host: '127.0.0.1', port: 0, authenticate });
  const { url, port } = broker;
  return {
    url,
    kill: () => broker.close(),
    restart: async () => {
      broker = await startEmbeddedBroker({ host: '127.0.0.1', port, authenticate });
    },
    close: () => broker.close(),
  };
}

describeMqttConformance('the embedded broker', startEmbedded);
describeMqttConformance('Mosquitto', () =>
  startMosquitto({ devices: DEVICES, services: SERVICES, password: PASSWORD }),
);
