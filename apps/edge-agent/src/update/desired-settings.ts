import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { DesiredConfigSchema, rest, type DesiredConfig } from '@sightline/contracts';
import { isAppError, type Logger } from '@sightline/kernel';
import { z } from 'zod';

import { imagePolicySchema, type ImagePolicy } from '../images/image-policy.js';
import type { SightingPolicy } from '../pipeline/sighting-policy.js';
import type { DeliveryPolicy } from '../uplink/batch-sender.js';
import type { FieldState } from '../uplink/device-state.js';
import type { DesiredVersionsFile } from './desired-versions.js';

/** What a desired configuration may say, in the very bounds of the box's own. */
const settingsSchema = z.object({
  siteId: z.union([rest.slugSchema, z.literal('')]),
  sighting: z.object(rest.sightingSettingBounds).partial().optional(),
  delivery: z.object(rest.deliverySettingBounds).partial().optional(),
  sealedImages: imagePolicySchema.optional(),
});

/** Of what is wrong with a document, so much is told. */
const MOST_ERRORS = 50;

interface Policies {
  readonly sighting: SightingPolicy;
  readonly delivery: DeliveryPolicy;
}

export interface DesiredSettingsOptions {
  /** What holds where the cloud says nothing. */
  readonly defaults: Policies;
  /** Where the box was provisioned to be. */
  readonly siteId: string;
  readonly versions: DesiredVersionsFile;
  readonly onChange: () => void;
  readonly log: Logger;
}

/** The box's settings and site: its own defaults under what the cloud desires. Holds across boots. */
export class DesiredSettings {
  readonly #options: DesiredSettingsOptions;
  #policies: Policies;
  #siteId: string;
  #images: ImagePolicy | undefined;
  #keys: readonly string[] = [];
  #state: FieldState = { version: 0, status: 'none', error: '' };

  constructor(options: DesiredSettingsOptions) {
    this.#options = options;
    this.#policies = options.defaults;
    this.#siteId = options.siteId;
    const stored = options.versions.current.config;
    if (stored) this.#restore(stored.version, Buffer.from(stored.document, 'base64'));
  }

  get policies(): Policies {
    return this.#policies;
  }

  /** Where the box is: where it was provisioned to be, unless the cloud has moved it since. */
  get siteId(): string {
    return this.#siteId;
  }

  /** What the box is to do with images; undefined: to keep none. */
  get images(): ImagePolicy | undefined {
    return this.#images;
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
      const errors = parsed.error.issues
        .slice(0, MOST_ERRORS)
        .map(({ path, message }) => ({ path: path.join('.'), message }));
      this.#state = { version, status: 'failed', error: 'CONFIG.INVALID', errors };
      return false;
    }
    this.#siteId = parsed.data.siteId || this.#options.siteId;
    this.#images = parsed.data.sealedImages;
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
