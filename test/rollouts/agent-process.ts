import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { EdgeAgentConfigInput } from '@sightline/edge-agent';

import { program } from '../device-trust/provision-box.js';
import { provisioningOf } from '../edge/local-people.js';

export interface AgentOptions {
  readonly folder: string;
  readonly mqttUrl: string;
  readonly repositoryUrl: string;
  readonly trustedRoot: Buffer;
}

/** The agent of a box, in a process of its own, as it is installed. */
export class AgentProcess {
  readonly deviceId: string;
  /** From the moment on at which this file is there the box computes wrongly, if it was started as `damageable`. */
  readonly damageFlag: string;
  readonly #file: string;
  #child: ChildProcess | undefined;

  constructor(deviceId: string, { folder, mqttUrl, repositoryUrl, trustedRoot }: AgentOptions) {
    this.deviceId = deviceId;
    this.damageFlag = join(folder, `${deviceId}.damaged`);
    this.#file = join(folder, `${deviceId}.json`);
    const pictures = join(folder, `${deviceId}.pictures`);
    mkdirSync(pictures);
    const mqtt = { url: mqttUrl, username: `acme/${deviceId}`, password: 'secret' };
    const config: EdgeAgentConfigInput = {
      dataDirectory: join(folder, deviceId),
      provisioning: {
        ...provisioningOf(mqtt),
        deviceId,
        release: { repositoryUrl, trustedRoot: trustedRoot.toString('base64') },
      },
      // Nobody passes before it.
      cameras: [{ id: 'door', source: { kind: 'folder', directory: pictures } }],
      cache: { enabled: false },
      update: { probationMs: 1000 },
      uplink: { reconnectBaseMs: 100, reconnectCapMs: 500 },
    };
    writeFileSync(this.#file, JSON.stringify(config), { mode: 0o600 });
  }

  start({ damageable = false } = {}): void {
    const preload = fileURLToPath(new URL('damaged-runtime.mjs', import.meta.url));
    this.#child = spawn(process.execPath, [program('edge-agent'), 'run', '--config', this.#file], {
      stdio: 'ignore',
      env: {
        ...process.env,
        ...(damageable && { NODE_OPTIONS: `--import ${preload}`, DAMAGED_RUNTIME_FLAG: this.damageFlag }),
      },
    });
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
