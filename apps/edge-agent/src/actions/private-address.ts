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

/** The host of a URL as an IP address, where it is one: without an IPv6 address's brackets. */
export function addressOf(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(bare) === 0 ? undefined : bare;
}

/** Whether a name is one that only the local network resolves: one label, or below RFC 6762's and RFC 9476's kin. */
export function isLocalName(hostname: string): boolean {
  return !hostname.includes('.') || /\.(localhost|local|lan|home\.arpa|internal)$/i.test(hostname);
}
