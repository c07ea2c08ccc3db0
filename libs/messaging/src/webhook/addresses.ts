import { BlockList, isIP } from 'node:net';

/** Loopback, private, link-local and shared addresses (RFC 6890), and IPv6's unique local ones (RFC 4193). */
const privateAddresses = new BlockList();
for (const [network, prefix] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv4');
}
privateAddresses.addAddress('::1', 'ipv6');
privateAddresses.addSubnet('fc00::', 7, 'ipv6');
privateAddresses.addSubnet('fe80::', 10, 'ipv6');

/** Whether an IP address is one that is not routed in the internet. An IPv4-mapped one counts as what it maps. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && privateAddresses.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * What else is not the internet's: "this network", documentation, benchmarks, multicast, reserved (IANA's registries of
 * special-purpose addresses, RFC 6890), and IPv6's ways to an IPv4 address that nobody looks into (RFC 6052, 3056, 4380).
 */
const otherSpecialAddresses = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  otherSpecialAddresses.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  otherSpecialAddresses.addSubnet(network, prefix, 'ipv6');
}

/** Whether an IP address is one of the internet, to which anybody may be sent: neither private nor special. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0 || isPrivateAddress(address)) return false;
  return !otherSpecialAddresses.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** The host of a URL as an IP address, where it is one: without an IPv6 address's brackets. */
export function addressOf(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(bare) === 0 ? undefined : bare;
}

/** Whether a name is one that only the local network resolves: one label, or below RFC 6762's and RFC 9476's kin. */
export function isLocalName(hostname: string): boolean {
  return !hostname.includes('.') || /\.(localhost|local|lan|home\.arpa|internal)$/i.test(hostname);
}
