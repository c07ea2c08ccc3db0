import { describe, expect, it } from 'vitest';

import { cameraSchema, type VideoSourceConfig } from '../../config/camera-config.js';
import { ffmpegInvocation } from './invocation.js';

const source = (input: Readonly<Record<string, unknown>>): VideoSourceConfig =>
  cameraSchema.parse({ id: 'cam-1', source: input }).source as VideoSourceConfig;

/** The value that follows an option. */
const valueOf = (args: readonly string[], option: string): string | undefined => args[args.indexOf(option) + 1];

describe('FFmpeg’s arguments', () => {
  it('read RTSP over TCP, the address on standard input and nowhere else', () => {
    const { args, input } = ffmpegInvocation(
      source({ kind: 'rtsp', url: "rtsp://jo:it's%40me@10.0.0.9:554/live?x=1" }),
    );
    expect(args.join(' ')).not.toMatch(/jo|me@|10\.0\.0\.9|rtsp:\/\//);
    expect(valueOf(args, '-i')).toBe('pipe:0');
    expect(input.split('\n').slice(0, 3)).toEqual([
      'ffconcat version 1.0',
      expect.stringMatching(/^file 'rtsp:\/\/jo:it(%27|'\\'')s%40me@10\.0\.0\.9:554\/live\?x=1'$/),
      'option rtsp_transport tcp',
    ]);
    expect(ffmpegInvocation(source({ kind: 'rtsp', url: 'rtsp://h/x', transport: 'udp' })).input).toContain(
      'option rtsp_transport udp',
    );
  });

  it('let nothing of an address become a line of the script', () => {
    const { input } = ffmpegInvocation(source({ kind: 'mjpeg', url: "http://h/a'\n\nfile '/etc/passwd" }));
    expect(input.split('\n').filter((line) => line.startsWith('file '))).toHaveLength(1);
    expect(input).not.toMatch(/^file '\/etc/m);
  });

  it('allow a camera no protocol that reads this machine’s files', () => {
    for (const url of ['rtsp://h/x', 'rtsps://h/x', 'http://h/x', 'https://h/x']) {
      const kind = url.startsWith('rtsp') ? 'rtsp' : 'mjpeg';
      const { args } = ffmpegInvocation(source({ kind, url }));
      expect(valueOf(args, '-protocol_whitelist')?.split(',')).not.toContain('file');
    }
  });

  it('date MJPEG by its arrival', () => {
    const { args } = ffmpegInvocation(source({ kind: 'mjpeg', url: 'http://h/x' }));
    expect(args.indexOf('-use_wallclock_as_timestamps')).toBeLessThan(args.indexOf('-i'));
    expect(valueOf(args, '-use_wallclock_as_timestamps')).toBe('1');
  });

  it('ask a V4L2 device for the format and size that are configured', () => {
    const plain = ffmpegInvocation(source({ kind: 'v4l2', device: '/dev/video0' })).args;
    expect(valueOf(plain, '-i')).toBe('/dev/video0');
    expect(plain).not.toContain('-video_size');
    const { args } = ffmpegInvocation(
      source({ kind: 'v4l2', device: '/dev/video0', inputFormat: 'mjpeg', captureSize: '1280x720' }),
    );
    expect([valueOf(args, '-input_format'), valueOf(args, '-video_size')]).toEqual(['mjpeg', '1280x720']);
    expect(args.lastIndexOf('v4l2')).toBeLessThan(args.indexOf('-i'));
  });

  it('play a file at its own pace, from where it should go on, whatever its name', () => {
    const file = source({ kind: 'file', path: '-i http:x.mp4' });
    expect(valueOf(ffmpegInvocation(file).args, '-i')).toBe('file:-i http:x.mp4');
    expect(ffmpegInvocation(file).args).toContain('-re');
    expect(ffmpegInvocation(file).args).not.toContain('-ss');
    expect(valueOf(ffmpegInvocation(file, 1500).args, '-ss')).toBe('1.500');
  });

  it('cap rate and size, turn the picture first, and leave sound and subtitles', () => {
    const limits = { maximumFramesPerSecond: 12.5, maximumWidth: 640, maximumHeight: 360, rotateDegrees: 270 };
    const { args } = ffmpegInvocation(source({ kind: 'rtsp', url: 'rtsp://h/x', ...limits }));
    const filters = valueOf(args, '-vf') ?? '';
    expect(filters).toMatch(
      /^select='.*\*12\.5\+.*',transpose=cclock,scale=w='min\(iw,640\)':h='min\(ih,360\)':.*,format=rgb24$/,
    );
    expect(args).toEqual(expect.arrayContaining(['-an', '-sn', '-dn']));
    for (const [degrees, filter] of [
      [0, "',scale"],
      [90, 'transpose=clock,'],
      [180, 'hflip,vflip,'],
    ] as const) {
      const turned = ffmpegInvocation(source({ kind: 'rtsp', url: 'rtsp://h/x', rotateDegrees: degrees }));
      expect(valueOf(turned.args, '-vf')).toContain(filter);
    }
  });
});
