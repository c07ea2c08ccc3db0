import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { AppError, type Logger } from '@sightline/kernel';

import { findFreePorts } from '../free-ports.js';
import { hubReadySchema, type HubConfigFile, type HubReady } from '../hub-config.js';
import { writePrivateJson } from '../private-json.js';
import { SupervisedProcess } from '../supervised-process.js';
import type { DemoWorkspace } from './workspace.js';

/** The program that both children run. */
export const mainModule = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

const START_TIMEOUT_MS = 180_000;
const ATTEMPTS = 3;

export interface HubOptions {
  readonly modelStoreDirectory: string;
  readonly falseMatchRate: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** A listener for boxes with certificates. Default: none. */
  readonly mqtts?: HubConfigFile['mqtts'];
}

export interface RunningHub {
  readonly process: SupervisedProcess;
  readonly ready: HubReady;
  readonly adminKey: string;
}

/** Starts a hub in the workspace as a supervised child, with ports and secrets of its own. */
export async function startHubProcess(workspace: DemoWorkspace, options: HubOptions): Promise<RunningHub> {
  const config = await hubConfig(workspace, options);
  const configPath = workspace.path('hub.json');
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  await writePrivateJson(configPath, config);
  const process = new SupervisedProcess({
    name: 'hub',
    modulePath: mainModule,
    args: ['hub', '--config', configPath],
    logFile: workspace.path('hub.log'),
    log: options.log,
  });
  const ready = waitUntilReady(process, workspace, options.signal);
  process.start();
  try {
    return { process, ready: await ready, adminKey: config.secrets.adminKey };
  } catch (error) {
    await process.stop();
    throw error;
  }
}

async function hubConfig(workspace: DemoWorkspace, options: HubOptions): Promise<HubConfigFile> {
  const [api = 0, registry = 0, mqtt = 0] = await findFreePorts(3);
  const secret = (): string => randomBytes(32).toString('base64url');
  return {
    dataDirectory: workspace.directory,
    modelStoreDirectory: options.modelStoreDirectory,
    tenantId: 'default',
    ports: { api, registry, mqtt },
    secrets: {
      adminKey: secret(),
      cloudMqttPassword: secret(),
      registryMqttPassword: secret(),
      keyEncryptionKey: randomBytes(32).toString('base64'),
    },
    falseMatchRate: options.falseMatchRate,
    mqtts: options.mqtts,
  };
}

function waitUntilReady(hub: SupervisedProcess, workspace: DemoWorkspace, signal: AbortSignal): Promise<HubReady> {
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      void lastLines(workspace.path('hub.log')).then((lines) => {
        reject(new AppError('DEMO.HUB_NOT_READY', `The hub did not start. The end of its log:\n${lines}`, { cause }));
      });
    };
    hub.onMessage((message) => {
      const ready = hubReadySchema.safeParse(message);
      if (ready.success) resolve(ready.data);
    });
    hub.onCrash(() => {
      if (hub.restarts >= ATTEMPTS) fail(undefined);
    });
    for (const end of [signal, timeout]) end.addEventListener('abort', () => fail(end.reason), { once: true });
  });
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-8).join('\n');
}
