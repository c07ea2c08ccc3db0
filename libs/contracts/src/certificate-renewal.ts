/**
 * What a box signs with the key of its running certificate to get the next one. The first line keeps the signature from
 * meaning anything elsewhere; the request names the new key.
 *
 * @param serialNumber hexadecimal, of the running certificate
 * @param request PKCS #10, DER
 */
export function renewalStatement(serialNumber: string, request: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`sightline/certificate-renewal/v1\n${serialNumber.toLowerCase()}\n`);
  const statement = new Uint8Array(head.length + request.length);
  statement.set(head);
  statement.set(request, head.length);
  return statement;
}
