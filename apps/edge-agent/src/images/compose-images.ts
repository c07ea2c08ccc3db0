import { join } from 'node:path';

import type { Clock, DeviceId, Logger, TenantId } from '@sightline/kernel';

import type { EdgeAgentConfig } from '../config/config.js';
import type { ImagePolicy } from './image-policy.js';
import { ImageSpool } from './image-spool.js';
import { ImageUploader, type ImageUploadStatus } from './image-uploader.js';
import { SightingImages, type SightingImageCounts, type SightingImagesOptions } from './sighting-images.js';
import { uploadImage } from './upload-image.js';

/** What the box says of its images. */
export interface AgentImagesStatus extends SightingImageCounts, ImageUploadStatus {
  /** Whether the box is to keep images. */
  readonly enabled: boolean;
  /** Sealed, and not uploaded yet. */
  readonly waiting: number;
  readonly waitingBytes: number;
  /** That went for want of room, or were too old. */
  readonly dropped: number;
}

/** The images of a box. */
export interface AgentImages {
  readonly sightings: SightingImages;
  readonly status: AgentImagesStatus;
  start(): void;
  stop(): Promise<void>;
}

interface AgentImagesOptions {
  readonly config: Pick<EdgeAgentConfig, 'dataDirectory' | 'provisioning'>;
  readonly policy: () => ImagePolicy | undefined;
  readonly outbox: SightingImagesOptions['outbox'];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** Puts together what keeps and uploads images; `images` in the data directory is theirs. */
export function composeImages({ config, policy, outbox, clock, random, log }: AgentImagesOptions): AgentImages {
  const { tenantId, deviceId, mqtt } = config.provisioning;
  const spool = new ImageSpool(join(config.dataDirectory, 'images'), clock);
  const address = { tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
  const sightings = new SightingImages({ spool, address, policy, outbox, random, log });
  const { username, password } = mqtt;
  const uploader = new ImageUploader({
    ...{ spool, images: sightings, policy, credentials: { username, password } },
    ...{ upload: uploadImage, clock, random, log },
  });
  return {
    sightings,
    get status() {
      const { images, bytes, dropped } = spool;
      const waiting = { enabled: policy() !== undefined, waiting: images.length, waitingBytes: bytes, dropped };
      return { ...waiting, ...sightings.counts, ...uploader.status };
    },
    start: () => uploader.start(),
    stop: () => uploader.stop(),
  };
}
