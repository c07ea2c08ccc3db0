import type { Database } from '@sightline/database';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { sql } from 'drizzle-orm';
import type { FastifyReply } from 'fastify';

import { Public } from '../access/api-key.guard.js';
import { DeviceLink } from '../devices/device-link.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { DATABASE } from '../platform/tokens.js';
import { Releases } from '../releases/releases.js';

export interface Readiness {
  readonly ready: boolean;
  readonly parts: Readonly<Record<'database' | 'gallery' | 'release' | 'broker', boolean>>;
}

@ApiTags('health')
@Public()
@Controller('health')
export class HealthController {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly follower: GalleryFollower,
    private readonly releases: Releases,
    private readonly link: DeviceLink,
  ) {}

  @Get('live')
  @ApiOperation({ summary: 'The process runs' })
  live(): { readonly live: true } {
    return { live: true };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Every part that answers depend on is there; 503 otherwise' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const parts = {
      database: await this.#databaseAnswers(),
      gallery: this.follower.loaded,
      release: this.releases.ready,
      broker: this.link.connected,
    };
    const ready = Object.values(parts).every(Boolean);
    void reply.status(ready ? 200 : 503);
    return { ready, parts };
  }

  async #databaseAnswers(): Promise<boolean> {
    try {
      await this.database.db.execute(sql`SELECT 1`);
      return true;
    } catch {
      return false;
    }
  }
}
