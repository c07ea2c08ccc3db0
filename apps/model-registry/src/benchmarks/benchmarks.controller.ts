import { Controller, Get } from '@nestjs/common';
import { Roles } from '@sightline/rest-server';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { classBenchmarkListSchema, DeviceBenchmarks, type ClassBenchmark } from './device-benchmarks.js';

@ApiTags('devices')
@Roles('operator', 'auditor')
@Controller('v1/device-benchmarks')
export class BenchmarksController {
  constructor(private readonly benchmarks: DeviceBenchmarks) {}

  @Get()
  @ApiOperation({ summary: 'How fast boxes recognise, by their kind, the release and the execution provider' })
  @ApiOkResponse({ standardSchema: classBenchmarkListSchema })
  async list(): Promise<{ items: readonly ClassBenchmark[] }> {
    return { items: await this.benchmarks.byClass() };
  }
}
