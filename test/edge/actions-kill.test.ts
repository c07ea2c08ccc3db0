import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const actor = fileURLToPath(new URL('../../apps/edge-agent/dist/testing/action-killer.js', import.meta.url));
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-actions-kill-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function run(fate: 'dies' | 'lives'): Promise<{ readonly signal: string | null; readonly said: string }> {
  const child = spawn(process.execPath, [actor, directory, fate], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { signal, said };
}

describe('an agent that is killed between the journal and the action', () => {
  it('never acts upon that sighting, not when the decision comes again, and acts upon the next one', async () => {
    expect(await run('dies')).toEqual({ signal: 'SIGKILL', said: 'about to act\n' });
    expect(existsSync(join(directory, 'done'))).toBe(false);
    expect(await run('lives')).toEqual({ signal: null, said: 'interrupted 1\nabout to act\n' });
    expect(readFileSync(join(directory, 'done'), 'utf8')).toBe('s2.door\n');
    expect(await run('lives')).toEqual({ signal: null, said: '' });
  });
});
