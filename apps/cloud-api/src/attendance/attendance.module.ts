import { Module } from '@nestjs/common';

import { AttendanceController } from './attendance.controller.js';
import { Attendance } from './attendance.js';

@Module({ controllers: [AttendanceController], providers: [Attendance] })
export class AttendanceModule {}
