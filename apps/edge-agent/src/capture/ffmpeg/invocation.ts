import type { VideoSourceConfig } from '../../config/camera-config.js';

/** How FFmpeg is called: everybody on the machine can read the arguments, nobody its standard input. */
export interface FfmpegInvocation {
  readonly args: readonly string[];
  /** For its standard input, which is closed after it. */
  readonly input: string;
}

type NetworkSource = Extract<VideoSourceConfig, { url: string }>;

/** Whatever a camera answers, FFmpeg opens nothing but this: not a file of this machine, for example. */
const PROTOCOLS = {
  rtsp: 'pipe,rtsp,rtsps,rtp,srtp,tcp,udp,tls',
  mjpeg: 'pipe,http,https,httpproxy,tcp,tls',
} as const;

/** For finding out what a stream holds, µs of it. By itself FFmpeg takes up to 5 s before the first frame. */
const ANALYSE_US = '1000000';

/**
 * FFmpeg (5.0 or newer) reading a source and writing binary pixmaps of RGB to its standard output.
 *
 * An address may hold a password, so it goes in by standard input, as a concat script of one entry, and is in no
 * process listing. Time limits are not FFmpeg's, whose options for them differ between protocols and versions:
 * who starts it watches it.
 *
 * @param startMs where a file begins, ms
 * @param stillFrames so many frames in a row that show nothing new are not written, but told of in the log
 */
export function ffmpegInvocation(source: VideoSourceConfig, startMs = 0, stillFrames = 0): FfmpegInvocation {
  const { args, input = '' } = inputOf(source, startMs);
  return {
    args: [
      // `repeat`: no “last message repeated” lines. `verbose` tells of a changed resolution.
      ...['-hide_banner', '-nostats', '-nostdin', '-loglevel', 'repeat+level+verbose'],
      // A second decoding thread would add a frame of latency, and fights for the cores with recognition.
      ...['-threads', '1', '-filter_threads', '1', ...args],
      ...['-map', '0:v:0', '-an', '-sn', '-dn', '-vf', filtersOf(source, stillFrames), '-vsync', 'passthrough'],
      ...['-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1'],
    ],
    input,
  };
}

function inputOf(
  source: VideoSourceConfig,
  startMs: number,
): { readonly args: readonly string[]; readonly input?: string } {
  switch (source.kind) {
    case 'rtsp':
      return fromNetwork(source, { rtsp_transport: source.transport, analyzeduration: ANALYSE_US });
    case 'mjpeg':
      // Its pictures carry no time: those of arrival are as good as any.
      return fromNetwork(source, {}, ['-use_wallclock_as_timestamps', '1']);
    case 'v4l2':
      return {
        args: [
          ...['-fflags', 'nobuffer', '-f', 'v4l2'],
          ...(source.inputFormat === undefined ? [] : ['-input_format', source.inputFormat]),
          ...(source.captureSize === undefined ? [] : ['-video_size', source.captureSize]),
          ...['-i', source.device],
        ],
      };
    case 'file':
      return {
        args: [
          ...['-re', ...(startMs > 0 ? ['-ss', (startMs / 1000).toFixed(3)] : [])],
          // The prefix keeps a name with a colon in it from being taken for an address.
          ...['-protocol_whitelist', 'file', '-i', `file:${source.path}`],
        ],
      };
  }
}

function fromNetwork(
  { kind, url }: NetworkSource,
  options: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): { readonly args: readonly string[]; readonly input: string } {
  const lines = [
    'ffconcat version 1.0',
    `file '${new URL(url).href.replaceAll("'", "'\\''")}'`,
    ...Object.entries(options).map(([name, value]) => `option ${name} ${value}`),
  ];
  return {
    args: [
      ...['-fflags', 'nobuffer', '-flags', 'low_delay', '-analyzeduration', ANALYSE_US, ...args],
      ...['-protocol_whitelist', PROTOCOLS[kind], '-f', 'concat', '-safe', '0', '-i', 'pipe:0'],
    ],
    input: `${lines.join('\n')}\n`,
  };
}

const ROTATIONS = { 0: [], 90: ['transpose=clock'], 180: ['hflip', 'vflip'], 270: ['transpose=cclock'] } as const;

/**
 * A frame shows nothing new when no block of 8 × 8 pixels differs from the last frame that was written by 8 levels in
 * the mean, and at most a twentieth of them by 4: the noise of a sensor does not, a person who moves does.
 */
const NOTHING_NEW = 'hi=512:lo=256:frac=0.05';

function filtersOf(source: VideoSourceConfig, stillFrames: number): string {
  const { maximumFramesPerSecond: rate, maximumWidth, maximumHeight, rotateDegrees } = source;
  // One frame of each slot of 1/rate s, the slots centred on the first frame's time, so that a stream of just that
  // rate loses none by jitter. Unlike the `fps` filter it doubles no frames, and it stands jumps in time.
  const slotOf = (time: string): string => `floor((${time}-start_t)*${rate}+0.5)`;
  const select = `isnan(prev_selected_t)+not(eq(${slotOf('t')},${slotOf('prev_selected_t')}))`;
  return [
    `select='${select}'`,
    ...(stillFrames > 0 ? ['showinfo=checksum=0', `mpdecimate=max=${stillFrames}:${NOTHING_NEW}`] : []),
    ...ROTATIONS[rotateDegrees],
    `scale=w='min(iw,${maximumWidth})':h='min(ih,${maximumHeight})':force_original_aspect_ratio=decrease:flags=bilinear`,
    'format=rgb24',
  ].join(',');
}
