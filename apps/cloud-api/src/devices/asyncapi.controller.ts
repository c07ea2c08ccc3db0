import { asyncApiDocument } from '@sightline/contracts';
import { Public } from '@sightline/rest-server';
import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

/** The other half of the interface: what boxes say and hear over MQTT. */
@ApiTags('devices')
@Controller('v1')
export class AsyncApiController {
  readonly #document = asyncApiDocument();

  @Get('asyncapi.json')
  @Public()
  @ApiOperation({ summary: 'The MQTT contract as an AsyncAPI 3.0 document', security: [] })
  @ApiOkResponse({ schema: { type: 'object' } })
  get(): object {
    return this.#document;
  }
}
