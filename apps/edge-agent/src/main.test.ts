import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { testProvisioning } from './testing/fixtures.js';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
let directory: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-main-'));
  mkdirSync(join(directory, 'pictures'));
});

afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(...args: string[]): { readonly ended: Promise<Ended>; readonly said: (text: string) => Promise<void> } {
  const started = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(started, 'close').then(([code]) => ({ code: code as number | null, output }));
  const said = async (text: string): Promise<void> => {
    while (!output.includes(text)) await once(started.stdout, 'data');
  };
  return { ended, said };
}

function writeConfig(document: object): string {
  const path = join(directory, 'agent.json');
  writeFileSync(path, JSON.stringify(document));
  return path;
}

const config = {
  dataDirectory: 'data',
  // Nobody listens there.
  provisioning: testProvisioning({ url: 'mqtt://127.0.0.1:1', username: 'acme/door-1', password: 'secret' }),
  cameras: [{ id: 'cam-1', source: { kind: 'folder', directory: 'pictures' } }],
};

describe('the command line', () => {
  it('tells what it can do', async () => {
    const { code, output } = await run('run', '--help').ended;
    expect(code).toBe(0);
    expect(output).toContain('--config');
    expect(output).toContain('SIGHTLINE_EDGE_DATA_DIRECTORY');
  });

  it('refuses a bad configuration, naming every bad key', async () => {
    const path = writeConfig({ ...config, cameras: [], surprise: 1 });
    const { code, output } = await run('run', '--config', path).ended;
    expect(code).toBe(78);
    expect(output).toContain('CONFIG.INVALID');
    expect(output).toContain('cameras');
    expect(output).toContain('surprise');
    expect(output).not.toContain('secret');
  });

  it('runs without a cloud, and ends with 0 on SIGTERM', async () => {
    const { ended, said } = run('run', '--config', writeConfig(config));
    await said('agent started');
    child?.kill('SIGTERM');
    const { code, output } = await ended;
    expect(code).toBe(0);
    expect(output).toContain('agent stopped');
  });
});
