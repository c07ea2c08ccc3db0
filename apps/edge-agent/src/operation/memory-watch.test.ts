import { silentLogger, type AppError } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { VirtualClock } from '../testing/virtual-clock.js';
import { MemoryWatch } from './memory-watch.js';

const MEGABYTE = 1024 * 1024;

function watched() {
  const clock = new VirtualClock();
  const stopping = new AbortController();
  const exceeded: AppError[] = [];
  const memory = { megabytes: 300, reliefs: 0, afterRelief: (): number => 300 };
  const watch = new MemoryWatch({
    maximumMegabytes: 450,
    residentBytes: () => memory.megabytes * MEGABYTE,
    relieve: async () => {
      memory.reliefs += 1;
      memory.megabytes = memory.afterRelief();
    },
    onExceeded: (error) => exceeded.push(error),
    clock,
    log: silentLogger,
  });
  const running = watch.run(stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  return { clock, memory, exceeded, watch, stop };
}

describe('the memory ceiling', () => {
  it('lets short peaks pass, as when a release is opened beside the one that runs', async () => {
    const { clock, memory, exceeded, stop } = watched();
    for (let peak = 0; peak < 10; peak += 1) {
      memory.megabytes = 500;
      await clock.advance(25_000);
      memory.megabytes = 300;
      await clock.advance(10_000);
    }
    expect(memory.reliefs).toBe(0);
    expect(exceeded).toEqual([]);
    await stop();
  });

  it('replaces the recogniser first, and goes on when that helps', async () => {
    const { clock, memory, exceeded, watch, stop } = watched();
    memory.megabytes = 500;
    await clock.advance(30_000);
    expect(watch.status).toEqual({ residentMegabytes: 300, maximumMegabytes: 450, reliefs: 1 });
    await clock.advance(700_000);
    // Much later it is worth another try.
    memory.megabytes = 500;
    await clock.advance(30_000);
    expect(memory.reliefs).toBe(2);
    expect(exceeded).toEqual([]);
    await stop();
  });

  it('asks for a new start when that does not last', async () => {
    const { clock, memory, exceeded, stop } = watched();
    memory.afterRelief = () => 480;
    memory.megabytes = 500;
    await clock.advance(60_000);
    expect(memory.reliefs).toBe(1);
    expect(exceeded).toMatchObject([{ code: 'AGENT.MEMORY_EXCEEDED', retryable: true }]);
    await stop();
  });

  it('asks for a new start also when the recogniser cannot be replaced', async () => {
    const { clock, memory, exceeded, stop } = watched();
    memory.afterRelief = () => {
      throw new Error('no memory');
    };
    memory.megabytes = 500;
    await clock.advance(60_000);
    expect(exceeded).toHaveLength(1);
    await stop();
  });
});
