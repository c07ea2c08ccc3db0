import { PlatformOnly } from '@sightline/rest-server';
import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { CloudMetrics } from './cloud-metrics.js';

/** Of all tenants together: how busy the installation is would tell each of them about the others. */
@ApiTags('metrics')
@PlatformOnly()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: CloudMetrics) {}

  @Get()
  @ApiOperation({ summary: 'Metrics of this process for Prometheus. For the platform’s key alone' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  async read(@Res() reply: FastifyReply): Promise<void> {
    const { contentType, text } = await this.metrics.expose();
    await reply.header('content-type', contentType).send(text);
  }
}
