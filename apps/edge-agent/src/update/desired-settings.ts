import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { DesiredConfigSchema, type DesiredConfig } from '@sightline/contracts';
import { isAppError, type Logger } from '@sightline/kernel';
import { z } from 'zod';

import { deliverySchema, sightingSchema } from '../config/config.js';
import type { SightingPolicy } from '../pipeline/sighting-policy.js';
import type { DeliveryPolicy } from '../uplink/batch-sender.js';
import type { FieldState } from '../uplink/device-state.js';
import type { DesiredVersionsFile } from './desired-versions.js';

const sighting = sightingSchema.shape;
const delivery = deliverySchema.shape;

/** What a desired configuration may say, in the very bounds of the box's own. */
const settingsSchema = z.object({
  sighting: z
    .object({
      minimumQuality: sighting.minimumQuality.unwrap().optional(),
      bestShots: sighting.bestShots.unwrap().optional(),
      closeAfterMs: sighting.closeAfterMs.unwrap().optional(),
      confirmAfterFrames: sighting.confirmAfterFrames.unwrap().optional(),
      shotSpacingMs: sighting.shotSpacingMs.unwrap().optional(),
      openAfterShots: sighting.openAfterShots.unwrap().optional(),
      openAfterMs: sighting.openAfterMs.unwrap().optional(),
      updateGain: sighting.updateGain.unwrap().optional(),
      updateIntervalMs: sighting.updateIntervalMs.unwrap().optional(),
    })
    .optional(),
  delivery: z
    .object({
      maximumWindow: delivery.maximumWindow.unwrap().optional(),
      maximumBatchRecords: delivery.maximumBatchRecords.unwrap().optional(),
      maximumBatchBytes: delivery.maximumBatchBytes.unwrap().optional(),
      acknowledgementTimeoutMs: delivery.acknowledgementTimeoutMs.unwrap().optional(),
    })
    .optional(),
});

interface Policies {
  readonly sighting: SightingPolicy;
  readonly delivery: DeliveryPolicy;
}

export interface DesiredSettingsOptions {
  /** What holds where the cloud says nothing. */
  readonly defaults: Policies;
  readonly versions: DesiredVersionsFile;
  readonly onChange: () => void;
  readonly log: Logger;
}

/** The box's settings: its own defaults under what the cloud desires. Holds across boots. */
export class DesiredSettings {
  readonly #options: DesiredSettingsOptions;
  #policies: Policies;
  #keys: readonly string[] = [];
  #state: FieldState = { version: 0, status: 'none', error: '' };

  constructor(options: DesiredSettingsOptions) {
    this.#options = options;
    this.#policies = options.defaults;
    const stored = options.versions.current.config;
    if (stored) this.#restore(stored.version, Buffer.from(stored.document, 'base64'));
  }

  get policies(): Policies {
    return this.#policies;
  }

  /** Keys of the configuration that the cloud decides at the moment: `sighting.bestShots`. */
  get desiredKeys(): readonly string[] {
    return this.#keys;
  }

  get state(): FieldState {
    return this.#state;
  }

  /** Takes a desired document; one that is not newer is ignored. A bad one changes nothing but the state. */
  desire(desired: DesiredConfig): void {
    const version = Number(desired.version);
    if (version <= this.#state.version) return;
    const applied = this.#apply(version, desired);
    if (applied) {
      const document = Buffer.from(toBinary(DesiredConfigSchema, desired)).toString('base64');
      this.#options.versions.update({ config: { version, document } });
      this.#options.log.info({ version }, 'configuration applied');
    } else {
      this.#options.log.error({ code: 'CONFIG.INVALID', version }, 'the desired configuration is out of bounds');
    }
    this.#options.onChange();
  }

  #restore(version: number, document: Uint8Array): void {
    try {
      this.#apply(version, fromBinary(DesiredConfigSchema, document));
    } catch (error) {
      const code = isAppError(error) ? error.code : 'UPDATE.STATE_UNREADABLE';
      this.#options.log.error({ code }, 'the remembered configuration cannot be read: using the defaults');
    }
  }

  #apply(version: number, desired: DesiredConfig): boolean {
    const parsed = settingsSchema.safeParse(desired);
    if (!parsed.success) {
      this.#state = { version, status: 'failed', error: 'CONFIG.INVALID' };
      return false;
    }
    const { defaults } = this.#options;
    const sighting = given(parsed.data.sighting);
    const delivery = given(parsed.data.delivery);
    this.#policies = {
      sighting: { ...defaults.sighting, ...sighting },
      delivery: { ...defaults.delivery, ...delivery },
    };
    this.#keys = Object.entries({ sighting, delivery }).flatMap(([section, values]) =>
      Object.keys(values).map((key) => `${section}.${key}`),
    );
    this.#state = { version, status: 'applied', error: '' };
    return true;
  }
}

/** Without the fields that are absent, which would hide the defaults. */
function given<T extends object>(fields: T | undefined): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields ?? {}).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
