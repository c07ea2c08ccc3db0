import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { actionRules, origin } from '../testing/action-stage.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { composeActions } from './compose-actions.js';
import type { LocalActions } from './local-actions.js';

let directory: string;
let actions: LocalActions | undefined;

beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'sightline-compose-'))));
afterEach(async () => {
  await actions?.close(0);
  actions = undefined;
  rmSync(directory, { recursive: true, force: true });
});

function compose(action: object, environment: NodeJS.ProcessEnv = {}): LocalActions {
  actions = composeActions({
    ...{ rules: actionRules({ id: 'hook', do: action }), dataDirectory: join(directory, 'data'), origin, environment },
    ...{ isClockTrusted: () => true, clock: new VirtualClock(), random: () => 0, log: silentLogger },
  });
  return actions;
}

const webhook = { kind: 'webhook', url: { environment: 'HOOK' } };

describe('rules that refer to secrets', () => {
  it('work when all of them are there', () => {
    writeFileSync(join(directory, 'secret'), 'whisper\n');
    const secrets = {
      headers: { authorization: { environment: 'TOKEN' } },
      signingSecret: { file: join(directory, 'secret') },
    };
    const { status } = compose({ ...webhook, ...secrets }, { HOOK: 'https://example.org/t0ken', TOKEN: 'Bearer abc' });
    expect(status).toMatchObject({ rules: [{ ruleId: 'hook', started: 0, problem: null }], interrupted: 0 });
  });

  it('are refused by the key when one is missing, empty or none, without a word of what is in it', () => {
    const refused = (action: object, environment?: NodeJS.ProcessEnv): unknown => {
      try {
        compose(action, environment);
        return undefined;
      } catch (error) {
        return error;
      }
    };
    const bad = (key: string): object => ({ code: 'CONFIG.INVALID', details: { keys: [`actions.hook.do.${key}`] } });
    expect(refused(webhook)).toMatchObject(bad('url'));
    expect(refused(webhook, { HOOK: '\n' })).toMatchObject(bad('url'));
    const noUrl = refused(webhook, { HOOK: 'ftp://t0ken' });
    expect(noUrl).toMatchObject(bad('url'));
    expect(String(noUrl)).not.toContain('t0ken');
    const url = 'https://example.org/';
    expect(refused({ ...webhook, url, signingSecret: { file: '/nowhere' } })).toMatchObject(bad('signingSecret'));
    expect(refused({ ...webhook, url, certificateAuthorityFile: '/nowhere' })).toMatchObject(
      bad('certificateAuthorityFile'),
    );
    const command = { kind: 'command', program: '/bin/true', environment: { KEY: { environment: 'NONE' } } };
    expect(refused(command)).toMatchObject(bad('environment.KEY'));
  });
});
