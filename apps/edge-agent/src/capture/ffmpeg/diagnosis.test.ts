import { describe, expect, it } from 'vitest';

import { cameraSchema, type VideoSourceConfig } from '../../config/camera-config.js';
import { diagnose, type Run } from './diagnosis.js';
import { FfmpegLog } from './ffmpeg-log.js';
import { redactorOf } from './redact.js';

const source = (input: Readonly<Record<string, unknown>>): VideoSourceConfig =>
  cameraSchema.parse({ id: 'cam-1', source: input }).source as VideoSourceConfig;
const camera = source({ kind: 'rtsp', url: 'rtsp://jo:hunter%402@10.0.0.9:554/live?token=abc' });
const file = source({ kind: 'file', path: '/films/jane-doe.mp4' });

const run = (complaint: string, more: Partial<Run> = {}): Run => ({
  exit: { code: 1, signal: null },
  complaints: [complaint],
  frames: 0,
  resumed: false,
  ...more,
});

describe('the reason why FFmpeg ended', () => {
  it.each([
    ['method DESCRIBE failed: 401 Unauthorized', 'CAPTURE.UNAUTHORISED'],
    ['HTTP error 403 Forbidden', 'CAPTURE.UNAUTHORISED'],
    ['Connection to tcp://10.0.0.9:554 failed: Connection refused', 'CAPTURE.SOURCE_UNAVAILABLE'],
    ['method DESCRIBE failed: 404 Not Found', 'CAPTURE.SOURCE_UNAVAILABLE'],
    ['Connection to tcp://10.0.0.9:4010 failed: No route to host', 'CAPTURE.SOURCE_UNAVAILABLE'],
    ['http://10.0.0.9/x: Invalid data found when processing input', 'CAPTURE.NOT_A_VIDEO'],
    ["Stream map '0:v:0' matches no streams.", 'CAPTURE.NOT_A_VIDEO'],
    ['something that nobody has seen before', 'CAPTURE.SOURCE_UNAVAILABLE'],
  ])('of a camera, by “%s”, is %s, and may pass', (complaint, code) => {
    expect(diagnose(camera, run(complaint))).toMatchObject({ code, retryable: true });
  });

  it('is told with FFmpeg’s own last words that mean something, and no secret', () => {
    const complaints = [
      'Connection to tcp://10.0.0.9:554 failed for hunter@2: No route to host',
      "Impossible to open 'rtsp://jo:hunter%402@10.0.0.9:554/live?token=abc'",
      'pipe:0: No route to host',
    ];
    expect(diagnose(camera, run('', { complaints }))?.message).toBe(
      'The source cannot be opened. FFmpeg said: Connection to tcp://10.0.0.9:554/… failed for …: No route to host',
    );
  });

  it('tells a missing program from everything else, for good', () => {
    const missing = { exit: { code: null, signal: null, missing: true } };
    expect(diagnose(camera, run('', missing))).toMatchObject({ code: 'CAPTURE.FFMPEG_MISSING', retryable: false });
  });

  it('takes no password to be wrong that has worked in this run', () => {
    const ended = run('401 Unauthorized', { frames: 5 });
    expect(diagnose(camera, ended)).toMatchObject({ code: 'CAPTURE.ENDED', retryable: true });
  });

  it('lets a file end, and start again where FFmpeg was killed', () => {
    expect(diagnose(file, run('', { exit: { code: 0, signal: null }, frames: 9 }))).toBeUndefined();
    expect(
      diagnose(file, run('corrupt input packet', { exit: { code: 69, signal: null }, frames: 9 })),
    ).toBeUndefined();
    const killed = run('', { exit: { code: null, signal: 'SIGKILL' }, frames: 9 });
    expect(diagnose(file, killed)).toMatchObject({ code: 'CAPTURE.INTERRUPTED', retryable: true });
    // Killed at its last frame, it has nothing left to go on with.
    expect(diagnose(file, run('', { exit: { code: 0, signal: null }, resumed: true }))).toBeUndefined();
  });

  it('gives a file up that is no video, without its name', () => {
    const error = diagnose(file, run('file:/films/jane-doe.mp4: Invalid data found when processing input'));
    expect(error).toMatchObject({ code: 'CAPTURE.NOT_A_VIDEO', retryable: false });
    expect(error?.message).not.toContain('jane');
    expect(diagnose(file, run('', { exit: { code: 0, signal: null } }))?.code).toBe('CAPTURE.NOT_A_VIDEO');
  });
});

describe('a text without secrets', () => {
  it('has of an address its scheme and host alone', () => {
    const redact = redactorOf(source({ kind: 'mjpeg', url: 'http://jo:p4ss@h:81/v?pwd=p4ss' }));
    expect(redact("a 'http://jo:p4ss@h:81/v?pwd=p4ss': b https://x/y/z?key=1 p4ss")).toBe(
      "a 'http://h:81/… b https://x/… …",
    );
    expect(redact('rtsp://a:b@c@host/x')).toBe('rtsp://host/…');
    expect(redact("'http://h':")).toBe("'http://h/…");
  });

  it('is made without a password too', () => {
    expect(redactorOf(source({ kind: 'rtsp', url: 'rtsp://h/x' }))('No route')).toBe('No route');
    expect(redactorOf(source({ kind: 'v4l2', device: '/dev/video0' }))('busy')).toBe('busy');
  });

  it('has no password that is no valid percent-encoding either', () => {
    const redact = redactorOf(source({ kind: 'rtsp', url: 'rtsp://jo:100%zz@h/x' }));
    expect(redact('100%zz')).toBe('…');
  });
});

describe('what FFmpeg writes to its log', () => {
  it('is kept as far as it complains, bounded', () => {
    const log = new FfmpegLog(() => undefined);
    log.push('[info] Input #0\n[h264 @ 0x1] [error] first\r[tcp @ 0x2] [warn');
    log.push(
      'ing] second\n[warning] -vsync is deprecated. Use -fps_mode\nsetpriv: failed\n[verbose] x\n[error] unfinished',
    );
    expect(log.complaints).toEqual(['first', 'second', 'setpriv: failed']);
    for (let line = 0; line < 1000; line += 1) log.push(`[error] ${'x'.repeat(10_000)}\n`);
    expect(log.complaints).toHaveLength(20);
    expect(log.complaints.join('').length).toBeLessThan(20 * 500);
  });

  it('tells when the stream’s resolution has changed', () => {
    let changes = 0;
    const log = new FfmpegLog(() => (changes += 1));
    const configured = (size: string): void =>
      log.push(`[graph 0 input from stream 0:0 @ 0x55] [verbose] ${size} pixfmt:yuv420p tb:1/90000 fr:10/1 sar:1/1\n`);
    configured('w:640 h:480');
    configured('w:640 h:480');
    expect(changes).toBe(0);
    configured('w:320 h:400');
    expect(changes).toBe(1);
  });
});
