// Prints who is seen, as it is decided, until Ctrl-C.
// usage: SIGHTLINE_API_KEY=… node live-sightings.mjs
import { SightlineClient } from './sightline-client.mjs';

const client = new SightlineClient({ url: process.env.SIGHTLINE_URL, apiKey: process.env.SIGHTLINE_API_KEY });

for await (const { lastSeenAt, deviceId, cameraId, decision } of client.liveSightings()) {
  console.log(lastSeenAt, `${deviceId}/${cameraId}`, decision.outcome, decision.person?.name ?? '');
}
