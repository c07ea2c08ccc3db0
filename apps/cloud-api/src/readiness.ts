import type { Database } from '@sightline/database';
import type { Jobs } from '@sightline/jobs';
import { READINESS, type Readiness } from '@sightline/rest-server';
import type { FactoryProvider } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { DeviceLink } from './devices/device-link.js';
import { GalleryFollower } from './identification/gallery-follower.js';
import { Releases } from './releases/releases.js';
import { DATABASE, JOBS } from './platform/tokens.js';

/** Every part that answers depend on. */
export const readiness: FactoryProvider<Readiness> = {
  provide: READINESS,
  inject: [DATABASE, GalleryFollower, Releases, DeviceLink, JOBS],
  useFactory:
    (database: Database, follower: GalleryFollower, releases: Releases, link: DeviceLink, jobs: Jobs) => async () => ({
      database: await database.db.execute(sql`SELECT 1`).then(
        () => true,
        () => false,
      ),
      gallery: await follower.ready(),
      release: releases.ready,
      broker: link.connected,
      jobs: await jobs.answers(),
    }),
};
