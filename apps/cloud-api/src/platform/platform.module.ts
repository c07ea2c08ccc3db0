import type { Database } from '@sightline/database';
import type { Jobs } from '@sightline/jobs';
import type { MqttConnection } from '@sightline/messaging';
import { Global, Module, type DynamicModule } from '@nestjs/common';

import type { CloudApiConfig } from '../config.js';
import type { ReleaseSource } from '../releases/active-release.js';
import { GallerySigningKeys } from '../edge-caches/gallery-signing-keys.js';
import type { GalleryIndex } from '../identification/gallery-index.js';
import { PersonalData } from '../personal-data/personal-data.js';
import type { PersonKeyStore } from '../personal-data/person-key-store.js';
import { Releases } from '../releases/releases.js';
import { Notifications } from '../storage/notifications.js';
import { AllKeysGallery } from '../template-keys/all-keys-gallery.js';
import { KeyDelivery } from '../template-keys/key-delivery.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import {
  CLOCK,
  CONFIG,
  DATABASE,
  GALLERY,
  GALLERY_INDEX,
  JOBS,
  KEY_STORE,
  LOGGER,
  MQTT,
  RELEASE_SOURCE,
} from './tokens.js';

/** What the modules share and do not make themselves. */
export interface Platform {
  readonly config: CloudApiConfig;
  readonly database: Database;
  readonly galleryIndex: GalleryIndex;
  readonly mqtt: MqttConnection;
  /** Handlers and schedules are registered in constructors; they run once every module is there. */
  readonly jobs: Jobs;
  readonly releaseSource: ReleaseSource;
  readonly keyStore: PersonKeyStore;
}

/** Gives every module the outside world, and the services that stand on it alone. */
@Global()
@Module({})
export class PlatformModule {
  static of({ config, database, galleryIndex, mqtt, jobs, releaseSource, keyStore }: Platform): DynamicModule {
    const values = [
      { provide: CONFIG, useValue: config },
      { provide: CLOCK, useValue: config.clock },
      { provide: LOGGER, useValue: config.log },
      { provide: DATABASE, useValue: database },
      {
        provide: GALLERY,
        inject: [TemplateKeys],
        useFactory: (keys: TemplateKeys) => new AllKeysGallery(galleryIndex.gallery, keys),
      },
      { provide: GALLERY_INDEX, useValue: galleryIndex },
      { provide: MQTT, useValue: mqtt },
      { provide: JOBS, useValue: jobs },
      { provide: RELEASE_SOURCE, useValue: releaseSource },
      { provide: KEY_STORE, useValue: keyStore },
    ];
    const services = [Notifications, Releases, TemplateKeys, KeyDelivery, GallerySigningKeys, PersonalData];
    return {
      module: PlatformModule,
      providers: [...values, ...services],
      exports: [...values.map(({ provide }) => provide), ...services],
    };
  }
}
