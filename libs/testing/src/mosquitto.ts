import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { mosquittoAccessList } from '@sightline/messaging';

import { freePort } from './free-port.js';
import { comesUp, killServer } from './server-process.js';

export interface MosquittoOptions {
  /** Usernames `{tenant}/{device}`. */
  readonly devices: readonly string[];
  readonly services: readonly string[];
  /** Everybody's. */
  readonly password: string;
  /** Paths of PEM files: the listener then speaks TLS alone. */
  readonly tls?: MosquittoTls;
}

export interface MosquittoTls {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Then every client must show a certificate that this authority has signed … */
  readonly clientAuthorityFile?: string;
  /** … and has not revoked. */
  readonly revocationListFile?: string;
}

export interface Mosquitto {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now. */
  readonly pid: number;
  /** Ends the server with SIGKILL: it forgets sessions and retained messages. */
  kill(): Promise<void>;
  /** Starts it again on the same port, after `kill`. */
  restart(): Promise<void>;
  /** Ends the server and removes its files. */
  close(): Promise<void>;
}

const SERVER = 'mosquitto';
const PASSWORD_TOOL = 'mosquitto_passwd';
const START_ATTEMPTS = 5;
/** Debian installs servers where a user's PATH does not look. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

function tlsLines(tls: MosquittoTls | undefined): readonly string[] {
  if (!tls) return [];
  const { certificateFile, keyFile, clientAuthorityFile, revocationListFile } = tls;
  return [
    `certfile ${certificateFile}`,
    `keyfile ${keyFile}`,
    ...(clientAuthorityFile ? [`cafile ${clientAuthorityFile}`, 'require_certificate true'] : []),
    ...(revocationListFile ? [`crlfile ${revocationListFile}`] : []),
  ];
}

function configuration(folder: string, port: number, tls: MosquittoOptions['tls']): string {
  return [
    `listener ${port} 127.0.0.1`,
    ...tlsLines(tls),
    'allow_anonymous false',
    `password_file ${join(folder, 'passwords')}`,
    `acl_file ${join(folder, 'access')}`,
    // The defaults drop messages after 1000 and keep 20 in flight.
    'max_queued_messages 100000',
    'max_inflight_messages 1000',
    'persistence false',
    // As root it would become a user of its own, who may not read a folder that is root's alone.
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    '',
  ].join('\n');
}

async function writePasswords(file: string, users: readonly string[], password: string): Promise<void> {
  const run = promisify(execFile);
  await writeFile(file, '', { mode: 0o600 });
  for (const user of users) await run(PASSWORD_TOOL, ['-b', file, user, password]);
}

/** @returns the process once it accepts connections, or undefined when it has ended: its port was taken */
async function startServer(configFile: string, port: number): Promise<ChildProcess | undefined> {
  const path = [process.env.PATH ?? '', ...SERVER_FOLDERS].join(':');
  const server = spawn(SERVER, ['-c', configFile], { stdio: 'ignore', env: { ...process.env, PATH: path } });
  return (await comesUp(server, SERVER, port)) ? server : undefined;
}

/**
 * Starts Debian's Mosquitto on a free port of the loopback address, with passwords and the contract's access
 * list, its files in a temporary folder.
 *
 * @throws Error when it is not installed
 */
export async function startMosquitto(options: MosquittoOptions): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), 'sightline-mosquitto-'));
  const configFile = join(folder, 'mosquitto.conf');
  await writePasswords(join(folder, 'passwords'), [...options.devices, ...options.services], options.password);
  await writeFile(join(folder, 'access'), mosquittoAccessList(options.services.map((name) => ({ name }))), {
    mode: 0o600,
  });
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt += 1) {
    const port = await freePort();
    await writeFile(configFile, configuration(folder, port, options.tls));
    const server = await startServer(configFile, port);
    if (server) return control(server, { folder, configFile, port, scheme: options.tls ? 'mqtts' : 'mqtt' });
  }
  await rm(folder, { recursive: true, force: true });
  throw new Error('mosquitto found no free port');
}

interface Running {
  readonly folder: string;
  readonly configFile: string;
  readonly port: number;
  readonly scheme: 'mqtt' | 'mqtts';
}

function control(first: ChildProcess, { folder, configFile, port, scheme }: Running): Mosquitto {
  let server = first;
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    port,
    get pid() {
      return server.pid ?? 0;
    },
    kill: () => killServer(server),
    restart: async () => {
      const next = await startServer(configFile, port);
      if (!next) throw new Error('mosquitto could not be started again on its port');
      server = next;
    },
    close: async () => {
      await killServer(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
