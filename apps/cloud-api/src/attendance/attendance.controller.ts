import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, Header, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';

import { Audited } from '../audit/audited.js';
import { csvFile } from '../http/csv.js';
import { Attendance } from './attendance.js';

const columns = Object.keys(rest.attendanceLineSchema.shape) as (keyof rest.AttendanceLine)[];

@ApiTags('attendance')
@Controller('v1')
export class AttendanceController {
  constructor(private readonly attendance: Attendance) {}

  @Get('attendance')
  @Audited('attendance.read', { kind: 'person', query: 'personId' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Who was where from when to when, by person and day' })
  @ApiOkResponse({ standardSchema: rest.attendancePageSchema })
  page(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.attendanceQuerySchema }) query: rest.AttendanceQuery,
  ): Promise<rest.AttendancePage> {
    return this.attendance.page(tenantId, query);
  }

  @Get('attendance.csv')
  @Audited('attendance.export', { kind: 'person', query: 'personId' })
  @Roles('operator', 'auditor')
  @Header('content-type', 'text/csv; charset=utf-8')
  @ApiOperation({ summary: 'The same as a table, whole; its times are local' })
  @ApiProduces('text/csv')
  @ApiOkResponse({ standardSchema: rest.attendanceLineSchema, description: 'A row for each of these, with a head.' })
  table(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.attendanceTableQuerySchema }) query: rest.AttendanceTableQuery,
  ): StreamableFile {
    return csvFile(this.attendance.lines(tenantId, query), columns);
  }
}
