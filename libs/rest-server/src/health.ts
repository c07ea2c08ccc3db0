import { AppError } from '@sightline/kernel';
import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';

import { Public } from './public-route.js';

/** Asks the parts without which a program does not do its work: their name → whether they work. */
export type Readiness = () => Promise<Readonly<Record<string, boolean>>>;
/** Injection token of the program's {@link Readiness}, which {@link HealthController} needs. */
export const READINESS = Symbol('Readiness');

const healthSchema = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });
type Health = z.infer<typeof healthSchema>;

const health = { standardSchema: healthSchema };
const withoutCredentials = { security: [] };

/** What whoever supervises the program asks: start it anew, or send it no work for now? */
@ApiTags('health')
@Public()
@Controller('health')
export class HealthController {
  constructor(@Inject(READINESS) private readonly readiness: Readiness) {}

  @Get('live')
  @ApiOperation({ summary: 'The process answers', ...withoutCredentials })
  @ApiOkResponse(health)
  live(): Health {
    return { status: 'ok' };
  }

  /** @throws AppError `SERVICE.UNAVAILABLE` that names what is not ready */
  @Get('ready')
  @ApiOperation({ summary: 'Every part is there that answers depend on; 503 names what is not', ...withoutCredentials })
  @ApiOkResponse(health)
  async ready(): Promise<Health> {
    const parts = Object.entries(await this.readiness());
    const missing = parts.filter(([, works]) => !works).map(([part]) => part);
    if (missing.length === 0) return { status: 'ok' };
    throw new AppError('SERVICE.UNAVAILABLE', `Not ready: ${missing.join(', ')}.`, { retryable: true });
  }
}
