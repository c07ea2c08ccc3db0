import { readConfiguration } from '@sightline/host';
import { AppError, type Clock, type Logger } from '@sightline/kernel';
import type { Frame } from '@sightline/vision';
import { dirname } from 'node:path';

import type { CameraConfig } from '../config/camera-config.js';
import { DemoCamera } from './demo/demo-camera.js';
import { demoScriptSchema, shortestGapMs } from './demo/script.js';
import { FfmpegSource } from './ffmpeg/ffmpeg-source.js';
import { ffmpegStarter } from './ffmpeg/media-process.js';
import { FolderSource } from './folder-source.js';
import type { FrameSource } from './frame-source.js';
import { MaskedSource } from './masked-source.js';

export interface OpenSourceOptions {
  readonly decode: (bytes: Uint8Array) => Promise<Frame>;
  /** A track that was not seen for so long is closed, ms of the stream's own time. */
  readonly closeAfterMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a source is made of. */
type CameraOfSource = Pick<CameraConfig, 'id' | 'source' | 'privacyZones'> & Partial<Pick<CameraConfig, 'motionGate'>>;

/** A picture that does not change is delivered this often: often enough for whoever shows their face at last. */
const STILL_INTERVAL_MS = 500;

/**
 * The source of a camera.
 *
 * @throws AppError `CONFIG.INVALID` for a demo script that cannot be played
 */
export async function openSource(camera: CameraOfSource, options: OpenSourceOptions): Promise<FrameSource> {
  const source = await openUnmasked(camera, options);
  return camera.privacyZones.length === 0 ? source : new MaskedSource(source, camera.privacyZones);
}

async function openUnmasked(
  { id, source, motionGate }: CameraOfSource,
  options: OpenSourceOptions,
): Promise<FrameSource> {
  const { clock, closeAfterMs, decode } = options;
  const log = options.log.child({ cameraId: id });
  if (source.kind === 'folder') return new FolderSource({ ...source, decode, clock, log });
  if (source.kind !== 'demo') {
    // Twice before the tracks of those who stand still would be closed.
    const stillIntervalMs = motionGate?.enabled ? Math.min(STILL_INTERVAL_MS, closeAfterMs / 2) : undefined;
    return new FfmpegSource({ source, stillIntervalMs, start: ffmpegStarter(clock), clock, log });
  }
  const script = readConfiguration(source.script, demoScriptSchema);
  if (shortestGapMs(script) <= closeAfterMs) {
    throw new AppError('CONFIG.INVALID', 'The demo script’s gaps are not longer than sighting.closeAfterMs.', {
      details: { keys: ['gapFrames'], closeAfterMs },
    });
  }
  return new DemoCamera({ ...source, cameraId: id, script, directory: dirname(source.script), clock, log });
}
