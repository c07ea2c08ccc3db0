import { isSlug, type DeviceId, type Logger, type TenantId } from '@sightline/kernel';

import type { BrokerIdentity } from './broker/authorisation.js';
import { startEmbeddedBroker, type EmbeddedBroker } from './broker/embedded-broker.js';
import { connectMqtt, type ConnectMqttOptions } from './connect-mqtt.js';
import type { MqttConnection } from './mqtt-connection.js';

export const PASSWORD = 'correct horse';

export interface LogRecord {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that keeps its records, to see which code was logged. */
export function recordingLogger(records: LogRecord[] = []): Logger & { readonly codes: () => unknown[] } {
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => {
    records.push({ level, message, fields });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recordingLogger(records),
    codes: () => records.map(({ fields }) => fields.code).filter((code) => code !== undefined),
  };
}

/** Everybody has the same password; a username with a slash is a device, any other a service. */
export async function authenticateByName(username: string, password: string): Promise<BrokerIdentity | undefined> {
  if (password !== PASSWORD) return undefined;
  const [tenantId = '', deviceId] = username.split('/');
  if (!isSlug(tenantId)) return undefined;
  if (deviceId === undefined) return { kind: 'service', name: username };
  return { kind: 'device', tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
}

export function startTestBroker(log: Logger, port = 0): Promise<EmbeddedBroker> {
  return startEmbeddedBroker({ host: '127.0.0.1', port, authenticate: authenticateByName, log });
}

/** A client with short delays, whose client id is its username. */
export function connectTestClient(
  url: string,
  username: string,
  options: Partial<ConnectMqttOptions> = {},
): Promise<MqttConnection> {
  return connectMqtt({
    url,
    clientId: username,
    username,
    password: PASSWORD,
    reconnect: { baseMs: 20, capMs: 100 },
    redeliver: { baseMs: 20, capMs: 100 },
    closeTimeoutMs: 200,
    ...options,
  });
}

export async function untilConnected(connection: MqttConnection): Promise<void> {
  if (!connection.connected) await nextEvent(connection, 'connected');
}

export function nextEvent(connection: MqttConnection, event: 'connected' | 'disconnected'): Promise<unknown> {
  return new Promise((resolve) => {
    const off = connection.on(event, (detail) => {
      off();
      resolve(detail);
    });
  });
}
