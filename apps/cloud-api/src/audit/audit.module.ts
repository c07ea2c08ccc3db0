import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';

import { Acting } from './acting.js';
import { AuditViews } from './audit-views.js';
import { AuditController } from './audit.controller.js';
import { AuditInterceptor } from './audit.interceptor.js';
import { Audit } from './audit.js';

/** Global: whoever touches biometric data records it. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [Acting, Audit, AuditViews, { provide: APP_INTERCEPTOR, useClass: AuditInterceptor }],
  exports: [Acting, Audit],
})
export class AuditModule {}
