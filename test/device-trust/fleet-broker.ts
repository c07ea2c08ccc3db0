import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const SERVER = 'mosquitto';

const INFRA = new URL('../../infra/mosquitto/', import.meta.url);
const PATH = [process.env.PATH ?? '', '/usr/sbin', '/usr/local/sbin'].join(':');

export interface FleetBroker {
  /** For services, with a password. */
  readonly serviceUrl: string;
  /** For boxes, with a certificate. */
  readonly deviceUrl: string;
  readonly pidFile: string;
  /** Ends it as its operator does: it writes what it means to keep. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface FleetBrokerOptions {
  /** Has ca.pem, server.pem, server.key and crl.pem; the rest is put there. */
  readonly folder: string;
  readonly ports: { readonly services: number; readonly devices: number };
  /** Of the services cloud-api and model-registry. */
  readonly password: string;
}

/** The real Mosquitto on infra/mosquitto as it is, but for its paths and ports. */
export async function startFleetBroker({ folder, ports, password }: FleetBrokerOptions): Promise<FleetBroker> {
  await copyFile(new URL('acl', INFRA), join(folder, 'acl'));
  await writeFile(join(folder, 'passwords'), '', { mode: 0o600 });
  for (const user of ['cloud-api', 'model-registry'])
    await promisify(execFile)('mosquitto_passwd', ['-b', join(folder, 'passwords'), user, password]);
  const configured = (await readFile(new URL('mosquitto.conf', INFRA), 'utf8'))
    .replaceAll('/etc/sightline/mosquitto/', `${folder}/`)
    .replaceAll('/run/mosquitto/', `${folder}/`)
    .replace('listener 1883 127.0.0.1', `listener ${ports.services} 127.0.0.1`)
    .replace('listener 8883', `listener ${ports.devices} 127.0.0.1`);
  // As root it would become a user of its own, who may not read a folder that is root's alone.
  const asRoot = process.getuid?.() === 0 ? 'user root\n' : '';
  await writeFile(join(folder, 'mosquitto.conf'), `${configured}\n${asRoot}`);
  const server = spawn(SERVER, ['-c', join(folder, 'mosquitto.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH },
  });
  await untilListening(server, ports.devices);
  return {
    serviceUrl: `mqtt://127.0.0.1:${ports.services}`,
    deviceUrl: `mqtts://127.0.0.1:${ports.devices}`,
    pidFile: join(folder, 'mosquitto.pid'),
    stop: () => end(server, 'SIGTERM'),
    close: () => end(server, 'SIGKILL'),
  };
}

async function end(server: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill(signal);
  await exited;
}

async function untilListening(server: ChildProcess, port: number): Promise<void> {
  const said: Buffer[] = [];
  server.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (server.exitCode !== null) throw new Error(`mosquitto has ended: ${Buffer.concat(said).toString()}`);
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  throw new Error('mosquitto did not come up in time');
}
