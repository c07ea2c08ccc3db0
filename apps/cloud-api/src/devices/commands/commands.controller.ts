import { CommandAckSchema, fleetFilter, rest } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { FailuresAsTheyAre, type MqttMessage } from '@sightline/messaging';
import { Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { DeviceIntake } from '../device-intake.js';
import { Commands } from './commands.js';

const slug = { schema: rest.slugSchema };
const uuid = { schema: rest.uuidSchema };

@ApiTags('devices')
@Controller('v1/devices/:deviceId/commands')
export class CommandsController {
  constructor(private readonly commands: Commands) {}

  @Post()
  @Roles('operator')
  @HttpCode(202)
  @ApiOperation({ summary: 'Tells a box to do something; it does it at most once, and not after it expires' })
  @ApiAcceptedResponse({ standardSchema: rest.commandSchema })
  create(
    @Tenant() tenantId: TenantId,
    @Param('deviceId', slug) deviceId: DeviceId,
    @Body({ schema: rest.createCommandSchema }) body: rest.CreateCommand,
  ): Promise<rest.Command> {
    return this.commands.create({ tenantId, deviceId }, body);
  }

  @Get(':commandId')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What became of a command' })
  @ApiOkResponse({ standardSchema: rest.commandSchema })
  get(
    @Tenant() tenantId: TenantId,
    @Param('deviceId', slug) deviceId: DeviceId,
    @Param('commandId', uuid) commandId: string,
  ): Promise<rest.Command> {
    return this.commands.get({ tenantId, deviceId }, commandId);
  }
}

/** What boxes say of their commands. */
@Controller()
export class CommandAcksController {
  constructor(
    private readonly intake: DeviceIntake,
    private readonly commands: Commands,
  ) {}

  @UseFilters(FailuresAsTheyAre)
  @MessagePattern(fleetFilter('command/ack'))
  async acknowledged(@Payload() message: MqttMessage): Promise<void> {
    await this.intake.take(message, CommandAckSchema, (address, ack) => this.commands.acknowledged(address, ack));
  }
}
