import { Module } from '@nestjs/common';

import { CertificateAuthority } from './certificate-authority.js';
import { CertificatesOfDeviceController, DeviceCertificatesController } from './device-certificates.controller.js';
import { DeviceCertificates } from './device-certificates.js';
import { RevocationList } from './revocation-list.js';

@Module({
  controllers: [DeviceCertificatesController, CertificatesOfDeviceController],
  providers: [CertificateAuthority, DeviceCertificates, RevocationList],
  exports: [CertificateAuthority, DeviceCertificates],
})
export class DeviceCertificatesModule {}
