import { isSlug, type DeviceId, type TenantId } from '@sightline/kernel';

/** Takes the user name `{tenant}/{device}` apart, or undefined when it is none. */
export function parseDeviceUsername(
  username: string,
): { readonly tenantId: TenantId; readonly deviceId: DeviceId } | undefined {
  const [tenantId = '', deviceId = '', ...rest] = username.split('/');
  if (rest.length > 0 || !isSlug(tenantId) || !isSlug(deviceId)) return undefined;
  return { tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
}
