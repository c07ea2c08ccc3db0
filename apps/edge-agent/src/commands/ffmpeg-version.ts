import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** What `ffmpeg -version` says it is: `5.1.6-0+deb12u1`; undefined when no such program can be run. */
export async function ffmpegVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('ffmpeg', ['-version'], { timeout: 10_000 });
    return /^ffmpeg version (\S+)/.exec(stdout)?.[1] ?? 'of an unknown version';
  } catch {
    return undefined;
  }
}
