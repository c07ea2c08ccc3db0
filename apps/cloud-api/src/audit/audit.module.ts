import type { Database } from '@sightline/database';
import { AuditController, AuditViews } from '@sightline/rest-server';
import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';

import { DATABASE } from '../platform/tokens.js';
import { Acting } from './acting.js';
import { AuditInterceptor } from './audit.interceptor.js';
import { Audit, cloudAudit } from './audit.js';

/** Global: whoever touches biometric data records it. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [
    Acting,
    Audit,
    {
      provide: AuditViews,
      inject: [DATABASE],
      useFactory: (database: Database) => new AuditViews(database, cloudAudit),
    },
    { provide: APP_INTERCEPTOR, useClass: AuditInterceptor },
  ],
  exports: [Acting, Audit],
})
export class AuditModule {}
