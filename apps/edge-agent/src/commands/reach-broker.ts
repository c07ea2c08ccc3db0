import { existsSync, readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import type { rest } from '@sightline/contracts';
import { errorMessage } from '@sightline/kernel';

import type { Finding } from './findings.js';

const TIMEOUT_MS = 10_000;
const PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 };

/**
 * Whether the broker can be reached: a connection, and over TLS a handshake with this box's certificate. It does not
 * log in: a second client of one id would throw out the agent that runs.
 */
export async function reachBroker(mqtt: rest.Provisioning['mqtt']): Promise<Finding> {
  const about = 'broker';
  try {
    await handshake(mqtt);
    return { about, verdict: 'good', message: `${new URL(mqtt.url).host} answers` };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return { about, verdict: 'bad', message: `cannot be reached: ${code ?? errorMessage(error)}` };
  }
}

function handshake({ url, tls }: rest.Provisioning['mqtt']): Promise<void> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const address = { host, port: port === '' ? (PORTS[protocol] ?? 1883) : Number(port) };
  const isSecure = protocol === 'mqtts:' || protocol === 'wss:';
  const socket: Socket = isSecure
    ? connectTls({
        ...address,
        ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
        ...(tls?.ca !== undefined && { ca: pem(tls.ca) }),
        ...(tls?.certificate !== undefined && { cert: pem(tls.certificate) }),
        ...(tls?.key !== undefined && { key: pem(tls.key) }),
      })
    : connectTcp(address);
  return new Promise((resolve, reject) => {
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer in ten seconds')));
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

/** A PEM text, or the content of the file that is named. */
export function pem(value: string): string {
  return value.includes('-----BEGIN') || !existsSync(value) ? value : readFileSync(value, 'utf8');
}
