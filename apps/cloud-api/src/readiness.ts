import type { Database } from '@sightline/database';
import { READINESS, type Readiness } from '@sightline/rest-server';
import type { FactoryProvider } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { DeviceLink } from './devices/device-link.js';
import { GalleryFollower } from './identification/gallery-follower.js';
import { Releases } from './releases/releases.js';
import { DATABASE } from './platform/tokens.js';

/** Every part that answers depend on. */
export const readiness: FactoryProvider<Readiness> = {
  provide: READINESS,
  inject: [DATABASE, GalleryFollower, Releases, DeviceLink],
  useFactory: (database: Database, follower: GalleryFollower, releases: Releases, link: DeviceLink) => async () => ({
    database: await database.db.execute(sql`SELECT 1`).then(
      () => true,
      () => false,
    ),
    gallery: follower.loaded,
    release: releases.ready,
    broker: link.connected,
  }),
};
