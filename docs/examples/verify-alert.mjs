// Receives alerts and checks that they are genuine. Needs Node alone.
//   ALERT_SECRET=whsec_… PORT=8090 node verify-alert.mjs
import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

/** How far its clock and ours may be apart, s: an older message may have been recorded by somebody. */
const TOLERANCE_SECONDS = 300;

/** Whether a message is ours (https://www.standardwebhooks.com). `body` is what came, byte by byte. */
export function isGenuine(headers, body, secret, nowSeconds = Date.now() / 1000) {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  if (!(Math.abs(nowSeconds - Number(timestamp)) <= TOLERANCE_SECONDS)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is being changed there are two signatures.
  return (headers['webhook-signature'] ?? '').split(' ').some((signature) => {
    const [version, value = ''] = signature.split(',');
    const given = Buffer.from(value, 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

const { ALERT_SECRET: secret, PORT: port = '8090' } = process.env;
if (secret !== undefined) {
  const seen = new Set();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (!isGenuine(request.headers, body, secret)) return response.writeHead(400).end();
    // A message may come twice; its id is the same then.
    if (!seen.has(request.headers['webhook-id'])) console.log(body.toString());
    seen.add(request.headers['webhook-id']);
    response.writeHead(204).end();
  });
  server.listen(Number(port));
}
