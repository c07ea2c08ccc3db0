import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { cameraSchema, type VideoSourceConfig } from '../../config/camera-config.js';
import { TestLog } from '../../testing/test-log.js';
import { VirtualClock } from '../../testing/virtual-clock.js';
import type { CapturedFrame } from '../frame-source.js';
import { FfmpegSource } from './ffmpeg-source.js';
import type { FfmpegInvocation } from './invocation.js';
import { ffmpegStarter, type MediaExit, type MediaOutput } from './media-process.js';

/** A process in memory, which does what the test says. */
class ScriptedProcess {
  readonly invocation: FfmpegInvocation;
  readonly exited: Promise<MediaExit>;
  stopped = false;
  #exit: (exit: MediaExit) => void = () => undefined;
  readonly #output: MediaOutput;

  constructor(invocation: FfmpegInvocation, output: MediaOutput) {
    this.invocation = invocation;
    this.#output = output;
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  frame(tone: number, width = 2, height = 1): void {
    this.write(`P6\n${width} ${height}\n255\n`);
    this.#output.onOutput(new Uint8Array(width * height * 3).fill(tone));
  }

  write(text: string): void {
    this.#output.onOutput(Buffer.from(text));
  }

  complain(text: string): void {
    this.#output.onLog(`[error] ${text}\n`);
  }

  configure(width: number, height: number): void {
    this.#output.onLog(`[graph 0 input from stream 0:0 @ 0x1] [verbose] w:${width} h:${height} pixfmt:yuv420p\n`);
  }

  /** A frame has come; one that shows nothing new is told of alone. */
  tell(number: number): void {
    this.#output.onLog(`[Parsed_showinfo_1 @ 0x1] [info] n: ${number} pts: ${number * 512} pts_time:1 fmt:rgb24\n`);
  }

  end(code: number | null = 0, signal: string | null = null): void {
    this.#exit({ code, signal });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.end(null, 'SIGTERM');
  }
}

let clock: VirtualClock;
let processes: ScriptedProcess[];
let stop: AbortController;

beforeEach(() => {
  clock = new VirtualClock();
  processes = [];
  stop = new AbortController();
});

afterEach(() => expect(processes.every(({ stopped }) => stopped)).toBe(true));

const rtsp = { kind: 'rtsp', url: 'rtsp://jo:hunter2@h/x' };
const film = { kind: 'file', path: '/film.mp4' };

function open(input: Readonly<Record<string, unknown>>, stillIntervalMs?: number): FfmpegSource {
  const source = cameraSchema.parse({ id: 'cam-1', source: input }).source as VideoSourceConfig;
  const start = async (invocation: FfmpegInvocation, output: MediaOutput): Promise<ScriptedProcess> => {
    const process = new ScriptedProcess(invocation, output);
    processes.push(process);
    return process;
  };
  return new FfmpegSource({ source, stillIntervalMs, start, clock, log: new TestLog() });
}

/** Takes all frames while the test goes on. */
function play(source: FfmpegSource): { readonly frames: CapturedFrame[]; readonly played: Promise<void> } {
  const frames: CapturedFrame[] = [];
  const played = (async () => {
    for await (const frame of source.frames(stop.signal)) frames.push({ ...frame });
  })();
  played.catch(() => undefined);
  return { frames, played };
}

const current = (): ScriptedProcess => processes.at(-1)!;

describe('a camera through FFmpeg', () => {
  it('delivers frames with the time of their arrival, until it is stopped', async () => {
    const { frames, played } = play(open(rtsp));
    await clock.advance(500);
    current().frame(1);
    await clock.advance(100);
    current().frame(2);
    await clock.advance(0);
    expect(frames.map(({ index, streamMs }) => [index, streamMs])).toEqual([
      [0, 500],
      [1, 600],
    ]);
    expect(frames[1]).toMatchObject({
      frame: { width: 2, height: 1 },
      capturedAt: { monotonicMs: 600, wallMs: clock.wallMs() },
    });
    stop.abort(new Error('stop'));
    await played;
    expect(current().stopped).toBe(true);
  });

  it('gives a slow consumer the newest frame, and counts what it missed', async () => {
    const source = open(rtsp);
    const iterator = source.frames(stop.signal)[Symbol.asyncIterator]();
    const first = iterator.next();
    await clock.advance(10);
    for (const tone of [1, 2, 3, 4]) current().frame(tone);
    expect(((await first).value as CapturedFrame).index).toBe(3);
    expect(source.droppedFrames).toBe(3);
    stop.abort(new Error('stop'));
    expect((await iterator.next()).done).toBe(true);
    expect(source.droppedFrames).toBe(3);
  });

  it('is ended when no frame comes; the first one has more time', async () => {
    const source = open({ ...rtsp, stallAfterMs: 5000 });
    const silent = play(source);
    await clock.advance(14_999);
    expect(current().stopped).toBe(false);
    await clock.advance(1);
    await expect(silent.played).rejects.toMatchObject({ code: 'CAPTURE.STALLED', retryable: true });
    const later = play(source);
    await clock.advance(3000);
    current().frame(1);
    await clock.advance(4999);
    expect(current().stopped).toBe(false);
    await clock.advance(1);
    await expect(later.played).rejects.toMatchObject({ code: 'CAPTURE.STALLED' });
    expect(later.frames).toHaveLength(1);
  });

  it('says why FFmpeg ended, after the frames that it had', async () => {
    const { frames, played } = play(open(rtsp));
    await clock.advance(10);
    current().frame(1);
    current().end(1);
    await expect(played).rejects.toMatchObject({ code: 'CAPTURE.ENDED', retryable: true });
    expect(frames).toHaveLength(1);
  });

  it('does not knock with a wrong password again and again', async () => {
    const source = open(rtsp);
    const first = play(source);
    await clock.advance(10);
    current().complain('401 Unauthorized');
    current().end(1);
    await expect(first.played).rejects.toMatchObject({ code: 'CAPTURE.UNAUTHORISED', retryable: true });
    const second = play(source);
    await clock.advance(299_000);
    expect(processes).toHaveLength(1);
    await clock.advance(2000);
    expect(processes).toHaveLength(2);
    stop.abort(new Error('stop'));
    await second.played;
  });

  it('starts FFmpeg anew when the resolution changes, and goes on in the same stream', async () => {
    const { frames, played } = play(open(rtsp));
    await clock.advance(10);
    current().configure(20, 10);
    current().frame(1);
    await clock.advance(10);
    current().configure(10, 20);
    current().frame(2); // squeezed
    await clock.advance(10);
    expect(processes).toHaveLength(2);
    current().configure(10, 20);
    current().frame(3, 1, 2);
    await clock.advance(10);
    expect(frames.map(({ frame, index, streamMs }) => [frame.width, frame.height, index, streamMs])).toEqual([
      [2, 1, 0, 10],
      [1, 2, 1, 30],
    ]);
    stop.abort(new Error('stop'));
    await played;
  });

  it('is ended when it writes what is no picture', async () => {
    const { played } = play(open({ ...rtsp, maximumWidth: 64, maximumHeight: 64 }));
    await clock.advance(10);
    current().write('P6\n65 64\n255\n');
    await expect(played).rejects.toMatchObject({ code: 'CAPTURE.MALFORMED_OUTPUT' });
  });

  it('is not even started once it was stopped', async () => {
    stop.abort(new Error('stop'));
    await play(open(rtsp)).played;
    expect(processes).toEqual([]);
  });
});

describe('a video file', () => {
  it('ends, or starts again', async () => {
    const once = play(open(film));
    await clock.advance(10);
    current().frame(1);
    current().end();
    await once.played;
    expect(once.frames).toHaveLength(1);
    const looped = play(open({ ...film, loop: true }));
    for (let round = 0; round < 3; round += 1) {
      await clock.advance(10);
      current().frame(1);
      current().end();
    }
    await clock.advance(10);
    expect(looped.frames.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(current().invocation.args).not.toContain('-ss');
    stop.abort(new Error('stop'));
    await looped.played;
  });

  it('goes on where FFmpeg was killed', async () => {
    const source = open(film);
    const { played } = play(source);
    for (let frame = 0; frame < 3; frame += 1) {
      await clock.advance(100);
      current().frame(1);
    }
    current().end(null, 'SIGKILL');
    await expect(played).rejects.toMatchObject({ code: 'CAPTURE.INTERRUPTED' });
    const rest = play(source);
    await clock.advance(10);
    expect(current().invocation.args.join(' ')).toContain('-ss 0.200');
    current().end();
    await rest.played;
  });
});

describe('a source whose picture does not change', () => {
  it('has not stalled while frames come that FFmpeg leaves out', async () => {
    const { played } = play(open({ ...rtsp, stallAfterMs: 1000 }, 500));
    await clock.advance(0);
    expect(processes[0]?.invocation.args.join(' ')).toContain('mpdecimate=max=4:');
    processes[0]?.frame(1);
    for (let number = 0; number < 30; number += 1) {
      await clock.advance(100);
      processes[0]?.tell(number);
    }
    expect(processes).toHaveLength(1);
    const stalled = expect(played).rejects.toMatchObject({ code: 'CAPTURE.STALLED' });
    await clock.advance(1100);
    await stalled;
  });

  it('is asked for anew when the stream is slower than thought, so that it is seen as often', async () => {
    const { played } = play(open(rtsp, 500));
    await clock.advance(0);
    for (let number = 0; number < 6; number += 1) {
      await clock.advance(number === 0 ? 0 : 400);
      processes[0]?.tell(number);
    }
    await clock.advance(0);
    // Two and a half frames a second: none of them can be left out.
    expect(processes).toHaveLength(2);
    expect(processes[1]?.invocation.args.join(' ')).not.toContain('mpdecimate');
    stop.abort(new Error('enough'));
    await played;
  });
});

describe('a machine without FFmpeg', () => {
  it('is told so', async () => {
    const { PATH } = process.env;
    process.env.PATH = '/nowhere';
    try {
      const source = cameraSchema.parse({ id: 'cam-1', source: film }).source as VideoSourceConfig;
      const start = ffmpegStarter(clock);
      const { played } = play(new FfmpegSource({ source, start, clock, log: new TestLog() }));
      await expect(played).rejects.toMatchObject({ code: 'CAPTURE.FFMPEG_MISSING', retryable: false });
    } finally {
      process.env.PATH = PATH;
    }
  });
});
