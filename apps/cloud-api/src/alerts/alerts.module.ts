import { Module } from '@nestjs/common';

import { AccessModule } from '../access/access.module.js';
import { AlertDelivery } from './alert-delivery.js';
import { AlertDispatch } from './alert-dispatch.js';
import { AlertLog } from './alert-log.js';
import { AlertPolicies } from './alert-policies.js';
import { ALERT_RANDOM, AlertSender } from './alert-sender.js';
import { AlertSubscriptions } from './alert-subscriptions.js';
import { AlertSubscriptionsController } from './alert-subscriptions.controller.js';
import { AlertsController } from './alerts.controller.js';
import { Alerts } from './alerts.js';
import { TenantListeners } from './tenant-listeners.js';

@Module({
  imports: [AccessModule],
  controllers: [AlertsController, AlertSubscriptionsController],
  providers: [
    ...[
      Alerts,
      AlertLog,
      AlertPolicies,
      AlertSubscriptions,
      AlertDispatch,
      AlertDelivery,
      AlertSender,
      TenantListeners,
    ],
    { provide: ALERT_RANDOM, useValue: () => Math.random() },
  ],
  exports: [Alerts],
})
export class AlertsModule {}
