import { StoppingError, systemClock, type Clock } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { MessageDispatcher, type DispatchLimits, type IncomingMessage } from './message-dispatcher.js';
import { recordingLogger } from './test-support.js';

interface Probe extends IncomingMessage {
  readonly acknowledged: () => boolean;
}

function incoming(topic: string, bytes = 1): Probe {
  let acknowledged = false;
  return {
    message: { topic, payload: new Uint8Array(bytes), retained: false, duplicate: false },
    acknowledge: () => (acknowledged = true),
    acknowledged: () => acknowledged,
  };
}

function setUp({
  limits = { messages: 10, bytes: 1000 },
  clock = systemClock,
}: { limits?: DispatchLimits; clock?: Clock } = {}) {
  const log = recordingLogger();
  const failures: number[] = [];
  const dispatcher = new MessageDispatcher({ limits, clock, log, onFailure: () => failures.push(1) });
  return { dispatcher, log, failures };
}

/** A handler that finishes when it is told to. */
function gate(): { handler: () => Promise<void>; open: () => void; fail: (error: Error) => void } {
  let open: () => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { handler: () => promise, open, fail };
}

describe('MessageDispatcher', () => {
  it('acknowledges after every matching handler has finished', async () => {
    const { dispatcher } = setUp();
    const [first, second] = [gate(), gate()];
    dispatcher.register('a/+', first.handler);
    dispatcher.register('a/b', second.handler);
    const message = incoming('a/b');
    expect(dispatcher.accept(message)).toBeUndefined();
    first.open();
    await Promise.resolve();
    expect(message.acknowledged()).toBe(false);
    second.open();
    await dispatcher.idle();
    expect(message.acknowledged()).toBe(true);
  });

  it('gives back what a handler leaves because the program stops, and calls it no failure in the log', async () => {
    const { dispatcher, log } = setUp();
    dispatcher.register('a', () => Promise.reject(new StoppingError()));
    const message = incoming('a');
    void dispatcher.accept(message);
    await dispatcher.idle();
    expect(message.acknowledged()).toBe(false);
    expect(log.codes()).toEqual([]);
  });

  it('withholds the acknowledgement of a message whose handler failed, and says so once', async () => {
    const { dispatcher, log, failures } = setUp();
    dispatcher.register('a', () => Promise.reject(new Error('no database')));
    const message = incoming('a');
    void dispatcher.accept(message);
    await dispatcher.idle();
    expect(message.acknowledged()).toBe(false);
    expect(failures).toHaveLength(1);
    expect(log.codes()).toEqual(['MQTT.HANDLER_FAILED']);
  });

  it.each([
    ['messages', { messages: 2, bytes: 1000 }, 1],
    ['bytes', { messages: 100, bytes: 20 }, 10],
  ])('asks to wait while too many %s are unacknowledged', async (_what, limits, size) => {
    const { dispatcher } = setUp({ limits });
    const held = gate();
    dispatcher.register('a', held.handler);
    expect(dispatcher.accept(incoming('a', size))).toBeUndefined();
    const room = dispatcher.accept(incoming('a', size));
    expect(room).toBeInstanceOf(Promise);
    held.open();
    await room;
  });

  it('keeps a message for a handler that comes later', async () => {
    const { dispatcher } = setUp();
    const message = incoming('a');
    void dispatcher.accept(message);
    dispatcher.register('b', () => Promise.resolve());
    expect(message.acknowledged()).toBe(false);
    dispatcher.register('a', () => Promise.resolve());
    await dispatcher.idle();
    expect(message.acknowledged()).toBe(true);
    dispatcher.stop();
  });

  it('acknowledges and drops a message that nobody claims in time', async () => {
    let nowMs = 0;
    const sleep = async (ms: number): Promise<void> => void (nowMs += ms);
    const { dispatcher, log } = setUp({ clock: { ...systemClock, monotonicMs: () => nowMs, sleep } });
    const message = incoming('a');
    void dispatcher.accept(message);
    await new Promise(setImmediate);
    expect(message.acknowledged()).toBe(true);
    expect(log.codes()).toEqual(['MQTT.UNHANDLED_MESSAGE']);
  });

  it('calls no handler after it was stopped, and leaves those messages to the broker', async () => {
    const { dispatcher } = setUp();
    const early = incoming('a');
    void dispatcher.accept(early);
    dispatcher.stop();
    const late = incoming('a');
    void dispatcher.accept(late);
    dispatcher.register('a', () => Promise.resolve());
    await dispatcher.idle();
    expect([early.acknowledged(), late.acknowledged()]).toEqual([false, false]);
  });
});
