import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { rest } from '@sightline/contracts';
import { silentLogger } from '@sightline/kernel';
import {
  CloudClient,
  openWorkspace,
  startHubProcess,
  type DemoWorkspace,
  type RunningHub,
} from '@sightline/standalone';
import { modelStoreDirectory } from '@sightline/testing';
import { z } from 'zod';

import { until } from './until.js';

const logLineSchema = z.object({ code: z.string().optional(), level: z.string() });

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A hub in a process of its own, in a directory that goes with it. */
export class HubUnderTest {
  readonly workspace: DemoWorkspace;
  readonly client: CloudClient;
  readonly hub: RunningHub;
  readonly #directory: string;

  private constructor(directory: string, workspace: DemoWorkspace, hub: RunningHub) {
    this.#directory = directory;
    this.workspace = workspace;
    this.hub = hub;
    this.client = new CloudClient(hub.ready.apiUrl, hub.adminKey);
  }

  /** @param mqtts port of a listener for boxes with certificates, which all boxes are then told */
  static async start({ mqtts }: { readonly mqtts?: number } = {}): Promise<HubUnderTest> {
    const directory = mkdtempSync(join(tmpdir(), 'sightline-bad-input-'));
    const workspace = await openWorkspace(join(directory, 'data'), silentLogger);
    const { signal } = new AbortController();
    const options = {
      ...{ modelStoreDirectory, falseMatchRate: 1e-4, log: silentLogger, signal },
      ...(mqtts && { mqtts: { host: '127.0.0.1', port: mqtts, names: ['127.0.0.1'] } }),
    };
    return new HubUnderTest(directory, workspace, await startHubProcess(workspace, options));
  }

  async stop(): Promise<void> {
    await this.hub.process.stop();
    await this.workspace.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** One request as any client could make it. */
  async send(method: string, path: string, body?: Uint8Array, contentType = 'image/jpeg'): Promise<Answer> {
    const response = await fetch(new URL(path, this.hub.ready.apiUrl), {
      method,
      headers: { authorization: `Bearer ${this.hub.adminKey}`, ...(body && { 'content-type': contentType }) },
      ...(body && { body: new Uint8Array(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  async identify(photo: Uint8Array): Promise<rest.IdentifyResponse> {
    const { body } = await this.send('POST', '/v1/identify', photo);
    return rest.identifyResponseSchema.parse(body);
  }

  async quarantined(): Promise<readonly rest.Quarantined[]> {
    const { body } = await this.send('GET', '/v1/quarantine');
    return rest.quarantinePageSchema.parse(body).items;
  }

  async sightingsOf(deviceId: string): Promise<readonly rest.Sighting[]> {
    const { body } = await this.send('GET', `/v1/sightings?deviceId=${deviceId}`);
    return rest.sightingPageSchema.parse(body).items;
  }

  /** How often the hub, or another program whose log it is, has logged a code. */
  logged(code: string, file = 'hub.log'): number {
    return logLines(this.workspace.path(file)).filter((line) => line.code === code).length;
  }

  /** Waits until a code was logged more often than before. */
  async untilLogged(code: string, before: number, file = 'hub.log'): Promise<void> {
    await until(() => (this.logged(code, file) > before ? true : undefined), `${code} in ${file}`);
  }
}

/** A line that is still being written, or that is not of the logger, is left out. */
function logLines(path: string): readonly z.infer<typeof logLineSchema>[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [logLineSchema.parse(JSON.parse(line))];
      } catch {
        return [];
      }
    });
}
