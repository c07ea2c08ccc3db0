import { rest } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { Public, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, Header, HttpCode, Ip, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';

import { CertificateAuthority } from './certificate-authority.js';
import { DeviceCertificates } from './device-certificates.js';
import { RequestPace } from './request-pace.js';
import { RevocationList } from './revocation-list.js';

const PEM = 'application/x-pem-file';

/** What boxes ask for by themselves, on proof of a token or a key, and what brokers need to judge them. */
@ApiTags('device certificates')
@Controller('v1/device-certificates')
export class DeviceCertificatesController {
  constructor(
    private readonly certificates: DeviceCertificates,
    private readonly authority: CertificateAuthority,
    private readonly revocations: RevocationList,
    private readonly pace: RequestPace,
  ) {}

  @Post()
  @Public()
  @ApiOperation({ summary: 'A box’s first certificate, for its enrolment token', security: [] })
  @ApiCreatedResponse({ standardSchema: rest.issuedCertificateSchema })
  async enrol(
    @Ip() address: string,
    @Body({ schema: rest.enrolCertificateSchema }) body: rest.EnrolCertificate,
  ): Promise<rest.IssuedCertificate> {
    this.pace.take(address);
    return this.certificates.enrol(body);
  }

  @Post('renewals')
  @Public()
  @HttpCode(201)
  @ApiOperation({ summary: 'A box’s next certificate, for a proof of the running one’s key', security: [] })
  @ApiCreatedResponse({ standardSchema: rest.issuedCertificateSchema })
  async renew(
    @Ip() address: string,
    @Body({ schema: rest.renewCertificateSchema }) body: rest.RenewCertificate,
  ): Promise<rest.IssuedCertificate> {
    this.pace.take(address);
    return this.certificates.renew(body);
  }

  @Get('authority')
  @Public()
  @Header('content-type', PEM)
  @ApiProduces(PEM)
  @ApiOkResponse({ schema: { type: 'string' } })
  @ApiOperation({ summary: 'The authority of the boxes’ certificates, PEM', security: [] })
  pem(): Promise<string> {
    return this.authority.pem();
  }

  @Get('crl')
  @Public()
  @Header('content-type', PEM)
  @ApiProduces(PEM)
  @ApiOkResponse({ schema: { type: 'string' } })
  @ApiOperation({ summary: 'The certificates that were revoked before their time (RFC 5280), PEM', security: [] })
  crl(): Promise<string> {
    return this.revocations.pem();
  }
}

/** What an operator sees of them. */
@ApiTags('devices')
@Controller('v1/devices/:deviceId/certificates')
@Roles('operator', 'auditor')
export class CertificatesOfDeviceController {
  constructor(private readonly certificates: DeviceCertificates) {}

  @Get()
  @ApiOperation({ summary: 'Every certificate that a box was given, oldest first' })
  @ApiOkResponse({ standardSchema: rest.deviceCertificateListSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Param('deviceId', { schema: rest.slugSchema }) deviceId: DeviceId,
  ): Promise<rest.DeviceCertificateList> {
    return this.certificates.list({ tenantId, deviceId });
  }
}
