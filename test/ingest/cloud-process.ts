import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a cloud API in a process of its own is told at its start: see apps/cloud-api/src/testing/cloud-child.ts. */
export interface CloudProcessOptions {
  readonly databaseUrl: string;
  readonly redisUrl?: string;
  readonly mqtt: { readonly url: string; readonly username: string; readonly password: string };
  readonly shared?: { readonly group: string; readonly instance: string };
  readonly adminKey: string;
  /** Its own. Default: one that goes with it. */
  readonly dataDirectory?: string;
  /** The keys of names and templates, which all processes of one database share. Default: in the data directory. */
  readonly keyStoreDirectory?: string;
  /** How long the certificates of boxes are valid, ms. */
  readonly deviceCertificateMs?: number;
  readonly access?: { readonly requestsPerMinute: { readonly perCaller: number; readonly perTenant: number } };
  /** Where webhooks may be. Default: at addresses of the internet. */
  readonly webhooks?: { readonly privateNetworks: boolean };
  /** Of the templates. */
  readonly dimension: number;
  readonly verbose?: boolean;
  /** Options of Node itself. */
  readonly execArgv?: readonly string[];
}

export interface CloudFigures {
  readonly cpuMs: number;
  readonly stages: Readonly<Record<string, number>>;
}

interface Reply {
  readonly kind: string;
  readonly url?: string;
  readonly code?: string;
  readonly probes?: readonly string[];
}

const SCRIPT = fileURLToPath(new URL('../../../apps/cloud-api/dist/testing/cloud-child.js', import.meta.url));
const SOURCE_SCRIPT = fileURLToPath(new URL('../../apps/cloud-api/dist/testing/cloud-child.js', import.meta.url));

/** A real cloud API in a process of its own, whose release has no models. */
export class CloudProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;

  readonly #adminKey: string;

  private constructor(child: ChildProcess, directory: string, { url, adminKey }: { url: string; adminKey: string }) {
    this.#child = child;
    this.#adminKey = adminKey;
    this.#directory = directory;
    this.url = url;
  }

  /** @throws Error with the code of what keeps it from starting */
  static async start({ execArgv = [], ...options }: CloudProcessOptions): Promise<CloudProcess> {
    const temporary = await mkdtemp(join(tmpdir(), 'sightline-cloud-process-'));
    const script = import.meta.url.includes('/test/dist/') ? SCRIPT : SOURCE_SCRIPT;
    const child = fork(script, [], { execArgv: [...execArgv], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.send({ dataDirectory: temporary, ...options });
    const reply = await nextReply(child, (kind) => kind === 'started' || kind === 'failed');
    if (reply.url === undefined) throw new Error(`cloud-api did not start: ${reply.code}`);
    return new CloudProcess(child, temporary, { url: reply.url, adminKey: options.adminKey });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Fills its gallery with random templates. @returns probes, each close to one of them, as protobuf templates */
  async fillGallery(size: {
    readonly templates: number;
    readonly perPerson: number;
    readonly probes: number;
  }): Promise<readonly Uint8Array[]> {
    const { probes = [] } = await this.#request('gallery', size);
    return probes.map((probe) => Buffer.from(probe, 'base64'));
  }

  async figures(): Promise<CloudFigures> {
    return (await this.#request('figures')) as unknown as CloudFigures;
  }

  /** Registers a device, of the site `lobby`. @throws Error when that is refused */
  async register(id: string): Promise<void> {
    const response = await fetch(`${this.url}/v1/devices`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id, siteId: 'lobby' }),
    });
    if (!response.ok) throw new Error(`a device could not be registered: ${response.status}`);
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    await this.#end(() => this.#child.kill('SIGKILL'));
  }

  async stop(): Promise<void> {
    await this.#end(() => this.#child.send({ kind: 'stop' }));
  }

  async #end(tell: () => void): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      tell();
      await exited;
    }
    await rm(this.#directory, { recursive: true, force: true });
  }

  #request(kind: string, details: object = {}): Promise<Reply> {
    const reply = nextReply(this.#child, (of) => of === kind);
    this.#child.send({ kind, ...details });
    return reply;
  }
}

/** @throws Error when the process ends first */
function nextReply(child: ChildProcess, wanted: (kind: string) => boolean): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    const onMessage = (message: unknown): void => {
      const reply = message as Reply;
      if (!wanted(reply.kind)) return;
      done();
      resolve(reply);
    };
    const onExit = (): void => {
      done();
      reject(new Error('cloud-api ended before it answered'));
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
