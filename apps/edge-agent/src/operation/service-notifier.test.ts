import { silentLogger } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import type { EdgeAgentStatus } from '../agent-status.js';
import { keepNotified } from '../commands/run.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { serviceNotifier, type RunProgram } from './service-notifier.js';

function notifier(environment: NodeJS.ProcessEnv, run?: RunProgram) {
  const calls: (readonly string[])[] = [];
  const record: RunProgram = (program, args, done) => {
    calls.push([program, ...args]);
    run?.(program, args, done);
  };
  return { calls, notifier: serviceNotifier(environment, { log: silentLogger, pid: 7, run: record }) };
}

describe('the service notifier', () => {
  it('speaks to nobody without a socket', () => {
    const { calls, notifier: silent } = notifier({ WATCHDOG_USEC: '1000' });
    silent.notify('ready');
    expect(silent.watchdogMs).toBeUndefined();
    expect(calls).toEqual([]);
  });

  it('reads how often it is expected to speak, if it is this process that is meant', () => {
    const socket = { NOTIFY_SOCKET: '/run/systemd/notify' };
    expect(notifier({ ...socket, WATCHDOG_USEC: '60000000' }).notifier.watchdogMs).toBe(60_000);
    expect(notifier({ ...socket, WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }).notifier.watchdogMs).toBe(60_000);
    expect(notifier({ ...socket, WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' }).notifier.watchdogMs).toBeUndefined();
    expect(notifier({ ...socket, WATCHDOG_USEC: 'often' }).notifier.watchdogMs).toBeUndefined();
  });

  it('says that the agent is up, then that it gets on, and nothing while it is stuck', async () => {
    const { calls, notifier: speaking } = notifier({ NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '60000000' });
    const clock = new VirtualClock();
    const ending = new AbortController();
    let stuck: readonly string[] = [];
    const status = (): EdgeAgentStatus =>
      ({ cameras: [], release: null, connected: false, outbox: { backlog: 3 }, stuck }) as unknown as EdgeAgentStatus;
    const kept = keepNotified(speaking, { status }, clock, ending.signal);
    await clock.advance(45_000);
    expect(calls.map(([, state]) => state)).toEqual(['READY=1', 'WATCHDOG=1', 'WATCHDOG=1']);
    expect(calls[0]?.[2]).toBe('STATUS=0 of 0 cameras up, no release yet, not connected, 3 records to send');
    stuck = ['recogniser'];
    await clock.advance(120_000);
    expect(calls).toHaveLength(3);
    ending.abort();
    await kept;
  });

  it('goes on when the manager cannot be told', () => {
    const { notifier: failing } = notifier({ NOTIFY_SOCKET: '/x' }, (_program, _args, done) => done(new Error('no')));
    expect(() => failing.notify('alive')).not.toThrow();
  });
});
