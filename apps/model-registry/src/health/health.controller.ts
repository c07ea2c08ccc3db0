import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import { rest } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { z } from 'zod';

/** Parts without which the registry does not do its work: their name → whether they work. */
export type ReadinessProbe = () => Promise<Readonly<Record<string, boolean>>>;
export const READINESS = Symbol('readiness');

const healthSchema = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });
type Health = z.infer<typeof healthSchema>;

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(@Inject(READINESS) private readonly readiness: ReadinessProbe) {}

  @Get('live')
  @ApiOperation({ summary: 'The process answers' })
  @ApiOkResponse({ standardSchema: healthSchema })
  live(): Health {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Database, broker and releases are there' })
  @ApiOkResponse({ standardSchema: healthSchema })
  @ApiServiceUnavailableResponse({ standardSchema: rest.problemSchema })
  async ready(): Promise<Health> {
    const missing = Object.entries(await this.readiness()).filter(([, works]) => !works);
    if (missing.length > 0) {
      const parts = missing.map(([part]) => part).join(', ');
      throw new AppError('SERVICE.UNAVAILABLE', `Not ready: ${parts}.`, { retryable: true });
    }
    return { status: 'ok' };
  }
}
