import { Module, type DynamicModule } from '@nestjs/common';
import { HealthController } from '@sightline/rest-server';

import { AccessModule } from './access/access.module.js';
import { AnalyticsModule } from './analytics/analytics.module.js';
import { AlertsModule } from './alerts/alerts.module.js';
import { AttendanceModule } from './attendance/attendance.module.js';
import { AuditModule } from './audit/audit.module.js';
import { ConsentModule } from './consent/consent.module.js';
import { DeviceOperationsModule } from './devices/device-operations.module.js';
import { DevicesModule } from './devices/devices.module.js';
import { DriftModule } from './drift/drift.module.js';
import { EdgeCachesModule } from './edge-caches/edge-caches.module.js';
import { ErasureModule } from './erasure/erasure.module.js';
import { FacesModule } from './faces/faces.module.js';
import { IdentificationModule } from './identification/identification.module.js';
import { ImagesModule } from './images/images.module.js';
import { IngestModule } from './ingest/ingest.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { PageModule } from './page/page.module.js';
import { PeopleModule } from './people/people.module.js';
import { PhotoSearchModule } from './photo-search/photo-search.module.js';
import { PlatformModule, type Platform } from './platform/platform.module.js';
import { readiness } from './readiness.js';
import { RetentionModule } from './retention/retention.module.js';
import { SightingsModule } from './sightings/sightings.module.js';
import { StrangersModule } from './strangers/strangers.module.js';
import { TemplateKeysModule } from './template-keys/template-keys.module.js';

@Module({})
export class AppModule {
  static of(platform: Platform): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.of(platform),
        AccessModule,
        AlertsModule,
        AnalyticsModule,
        AuditModule,
        IdentificationModule,
        PeopleModule,
        FacesModule,
        DevicesModule,
        DeviceOperationsModule,
        EdgeCachesModule,
        DriftModule,
        ErasureModule,
        ConsentModule,
        RetentionModule,
        ImagesModule,
        IngestModule,
        SightingsModule,
        AttendanceModule,
        PhotoSearchModule,
        StrangersModule,
        TemplateKeysModule,
        PageModule,
        MetricsModule,
      ],
      controllers: [HealthController],
      providers: [readiness],
    };
  }
}
