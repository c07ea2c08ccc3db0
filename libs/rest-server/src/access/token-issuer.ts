import { decodeJwt } from 'jose';

/** Three parts of base64url, the first of them a JSON object (RFC 7515, 3.1). */
const jwt = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

/** Whether credentials have the form of a token with claims. */
export function isJwt(token: string): boolean {
  return jwt.test(token);
}

/** Who a token says that it is of, before anything of it is verified. */
export function issuerOf(token: string): unknown {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
