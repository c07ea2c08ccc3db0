import { Module } from '@nestjs/common';

import { CertificateAuthority } from './certificate-authority.js';
import { CertificatesOfDeviceController, DeviceCertificatesController } from './device-certificates.controller.js';
import { DeviceCertificates } from './device-certificates.js';
import { RequestPace } from './request-pace.js';
import { RevocationList } from './revocation-list.js';

@Module({
  controllers: [DeviceCertificatesController, CertificatesOfDeviceController],
  providers: [CertificateAuthority, DeviceCertificates, RequestPace, RevocationList],
  exports: [CertificateAuthority, DeviceCertificates],
})
export class DeviceCertificatesModule {}
