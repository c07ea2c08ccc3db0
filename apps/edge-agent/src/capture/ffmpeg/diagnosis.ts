import { AppError } from '@sightline/kernel';

import type { VideoSourceConfig } from '../../config/camera-config.js';
import type { MediaExit } from './media-process.js';
import { redactorOf } from './redact.js';

export interface Run {
  readonly exit: MediaExit;
  /** What FFmpeg complained of, oldest first. */
  readonly complaints: readonly string[];
  /** Frames that it delivered. */
  readonly frames: number;
  /** Whether it was to go on in the middle of a file: there may be nothing left of it. */
  readonly resumed: boolean;
}

const UNAUTHORISED = /\b401\b|\b403\b|unauthori[sz]ed|forbidden|authorization failed/i;
const NOT_A_VIDEO =
  /invalid data found|matches no streams|does not contain any stream|moov atom not found|could not find codec parameters|unknown decoder|decoder \(codec .*not found|invalid argument$/i;
/** Says that it failed, not why: the line before it does. */
const SUMMARY =
  /^(?:impossible to open|error opening (?:input|filters)|conversion failed|pipe:0: |nothing was written)/i;

/**
 * Why a run of FFmpeg ended, as an error; undefined for the end of a file.
 *
 * Codes: `CAPTURE.FFMPEG_MISSING`, `CAPTURE.UNAUTHORISED`, `CAPTURE.NOT_A_VIDEO`, `CAPTURE.SOURCE_UNAVAILABLE` (not
 * reached, not there, or silent), `CAPTURE.ENDED` (a camera never should), `CAPTURE.INTERRUPTED` (FFmpeg itself
 * broke off). A message ends with FFmpeg's own last words, without secrets.
 */
export function diagnose(source: VideoSourceConfig, { exit, complaints, frames, resumed }: Run): AppError | undefined {
  if (exit.missing === true) {
    return new AppError('CAPTURE.FFMPEG_MISSING', 'The program ffmpeg is not installed, or not in the path.');
  }
  const redact = redactorOf(source);
  const words = complaints.filter((line) => !SUMMARY.test(line)).at(-1) ?? complaints.at(-1);
  const said = words === undefined ? '' : ` FFmpeg said: ${redact(words)}`;
  const error = (code: AppError['code'], message: string, retryable = true): AppError =>
    new AppError(code, message + said, { retryable });
  if (frames === 0 && resumed && exit.code === 0) return undefined;
  if (frames === 0) {
    const all = complaints.join('\n');
    if (UNAUTHORISED.test(all)) return error('CAPTURE.UNAUTHORISED', 'The camera refuses this user and password.');
    if (NOT_A_VIDEO.test(all) || exit.code === 0) {
      // A camera may be starting; a file stays what it is.
      return error('CAPTURE.NOT_A_VIDEO', 'The source delivers no video.', source.kind !== 'file');
    }
    return error('CAPTURE.SOURCE_UNAVAILABLE', 'The source cannot be opened.');
  }
  if (exit.signal !== null) return error('CAPTURE.INTERRUPTED', `FFmpeg was ended by ${exit.signal}.`);
  if (source.kind === 'file') return undefined;
  return error('CAPTURE.ENDED', 'The camera ended its stream.');
}
