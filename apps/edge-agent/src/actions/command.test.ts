import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ada, decision, origin } from '../testing/action-stage.js';
import { actionEvent } from './action-event.js';
import { Command, type CommandOptions } from './command.js';
import type { Attempt } from './performer.js';
import { ProgramLauncher } from './program-launcher.js';

let directory: string;
let launcher: ProgramLauncher;

beforeAll(() => (launcher = new ProgramLauncher()));
afterAll(() => launcher.close());

beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'sightline-command-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const event = actionEvent('door', origin, decision(), { wallMs: 1_800_000_000_000, isTrusted: true, ageMs: 80 });

function attempt(signal = new AbortController().signal): Attempt {
  return { event: () => event, startWithinMs: 1000, signal };
}

/** A shell script as the program; `$OUT` is a file for what it has to tell. */
function script(text: string, options: Partial<CommandOptions> = {}): Command {
  const program = join(directory, 'action.sh');
  writeFileSync(program, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const environment = { OUT: join(directory, 'out'), ...options.environment };
  return new Command({ program, arguments: [], timeoutMs: 2000, launcher, ...options, environment });
}

const told = (): string => readFileSync(join(directory, 'out'), 'utf8');

describe('a command', () => {
  it('gets the event on its standard input, and in its arguments as they stand', async () => {
    const texts = ['{{personId}}', '$HOME; {{ruleId}} `id`', '{{liveScore}}'];
    await script('printf "%s\\n" "$@" > "$OUT"; cat >> "$OUT"', { arguments: texts }).perform(attempt());
    expect(told()).toBe(`${ada}\n$HOME; door \`id\`\n0.9\n${JSON.stringify(event)}`);
  });

  it('has the environment that is named, and no other', async () => {
    process.env.SIGHTLINE_TEST_SECRET = 'not for commands';
    await script('/usr/bin/env > "$OUT"', { environment: { RELAY: '7' } }).perform(attempt());
    delete process.env.SIGHTLINE_TEST_SECRET;
    expect(told()).toContain('RELAY=7');
    expect(told()).not.toContain('SIGHTLINE_TEST_SECRET');
    expect(told()).not.toContain('HOME=');
  });

  it('may write as much as it likes', async () => {
    await script('head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo done > "$OUT"', {
      environment: { PATH: '/usr/bin:/bin' },
    }).perform(attempt());
    expect(told()).toBe('done\n');
  });

  it('may end without reading what it is told', async () => {
    await script('exec < /dev/null; exit 0').perform(attempt());
  });

  it('has failed when its exit code is not 0, and is not tried again', async () => {
    await expect(script('echo secret >&2; exit 3').perform(attempt())).rejects.toMatchObject({
      ...{ code: 'ACTION.REFUSED', retryable: false, details: { exitCode: 3 } },
    });
    await expect(script('kill -KILL $$').perform(attempt())).rejects.toMatchObject({ code: 'ACTION.REFUSED' });
  });

  it('that is not there, or is no program, is told', async () => {
    const text = join(directory, 'text');
    writeFileSync(text, 'no program', { mode: 0o644 });
    for (const program of [join(directory, 'missing'), directory, text]) {
      await expect(script('', { program }).perform(attempt())).rejects.toMatchObject({
        ...{ code: 'ACTION.NOT_STARTED', retryable: false },
      });
    }
  });

  it('that takes too long is asked to end, and may put things in order first', async () => {
    const leaves = script('trap \'echo closed > "$OUT"; exit 0\' TERM; while :; do sleep 0.02; done', {
      timeoutMs: 100,
      environment: { PATH: '/usr/bin:/bin' },
    });
    await expect(leaves.perform(attempt())).rejects.toMatchObject({ code: 'ACTION.TIMED_OUT', retryable: false });
    expect(told()).toBe('closed\n');
  });

  it('that does not listen is killed with all that it started', async () => {
    const deaf = script('trap "" TERM; sleep 60 & echo $! > "$OUT"; while :; do wait; done', {
      timeoutMs: 100,
      environment: { PATH: '/usr/bin:/bin' },
    });
    await expect(deaf.perform(attempt())).rejects.toMatchObject({ code: 'ACTION.TIMED_OUT' });
    const child = Number(told());
    await expect.poll(() => isRunning(child)).toBe(false);
  });

  it('whose launcher dies may have happened; the next one gets another launcher', async () => {
    const slow = script('cut -d" " -f4 /proc/$$/stat > "$OUT"; sleep 60', { environment: { PATH: '/usr/bin:/bin' } });
    const performing = slow.perform(attempt()).catch((error: unknown) => error);
    await expect.poll(() => existsSync(join(directory, 'out')) && told()).toMatch(/^\d+\n$/);
    process.kill(Number(told()), 'SIGKILL');
    expect(await performing).toMatchObject({ code: 'ACTION.INTERRUPTED_TRANSFER', retryable: false });
    await script('echo again > "$OUT"', { environment: { PATH: '/usr/bin:/bin' } }).perform(attempt());
    expect(told()).toBe('again\n');
  });

  it('is ended when the agent ends', async () => {
    const stopping = new AbortController();
    const performing = script('sleep 60', { environment: { PATH: '/usr/bin:/bin' } }).perform(attempt(stopping.signal));
    setTimeout(() => stopping.abort(), 20);
    await expect(performing).rejects.toMatchObject({ code: 'ACTION.ABORTED' });
  });
});

/** A zombie that nobody has waited for is no longer running. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
