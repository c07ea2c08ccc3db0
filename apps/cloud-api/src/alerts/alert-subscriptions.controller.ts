import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Tenant } from '@sightline/rest-server';
import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import type { PageQuery } from '../http/page-cursor.js';
import { AlertSubscriptions } from './alert-subscriptions.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('alerts')
@AdminOnly()
@Controller('v1/alert-subscriptions')
export class AlertSubscriptionsController {
  constructor(private readonly subscriptions: AlertSubscriptions) {}

  @Post()
  @ApiOperation({ summary: 'Subscribes a webhook, or the MQTT topic of the tenant; a secret is shown this once' })
  @ApiCreatedResponse({ standardSchema: rest.newAlertSubscriptionSchema })
  create(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.createAlertSubscriptionSchema }) body: rest.CreateAlertSubscription,
  ): Promise<rest.NewAlertSubscription> {
    return this.subscriptions.create(tenantId, body);
  }

  @Get()
  @ApiOperation({ summary: 'The subscriptions, newest first' })
  @ApiOkResponse({ standardSchema: rest.alertSubscriptionPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.AlertSubscriptionPage> {
    return this.subscriptions.list(tenantId, query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One subscription' })
  @ApiOkResponse({ standardSchema: rest.alertSubscriptionSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.AlertSubscription> {
    return this.subscriptions.get(tenantId, id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Changes what is given of a subscription' })
  @ApiOkResponse({ standardSchema: rest.alertSubscriptionSchema })
  change(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Body({ schema: rest.changeAlertSubscriptionSchema }) body: rest.ChangeAlertSubscription,
  ): Promise<rest.AlertSubscription> {
    return this.subscriptions.change(tenantId, id, body);
  }

  @Post(':id/secret')
  @HttpCode(200)
  @ApiOperation({ summary: 'Gives a webhook a new secret, shown this once; the old one goes on for a while' })
  @ApiOkResponse({ standardSchema: rest.newAlertSubscriptionSchema })
  rotate(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Body({ schema: rest.rotateAlertSecretSchema }) body: rest.RotateAlertSecret,
  ): Promise<rest.NewAlertSubscription> {
    return this.subscriptions.rotate(tenantId, id, body);
  }

  @Post(':id/test')
  @HttpCode(200)
  @ApiOperation({ summary: 'Sends a message about nobody, once, and says how it went' })
  @ApiOkResponse({ standardSchema: rest.alertTestSchema })
  test(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.AlertTest> {
    return this.subscriptions.test(tenantId, id);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Ends a subscription, with the log of its deliveries' })
  @ApiNoContentResponse()
  remove(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<void> {
    return this.subscriptions.remove(tenantId, id);
  }
}
