// Watches the camera at an address until it is ended from outside.
import { cameraSchema, openSource } from '@sightline/edge-agent';
import { silentLogger, systemClock, terminationSignal } from '@sightline/kernel';

const camera = cameraSchema.parse({ id: 'cam-1', source: { kind: 'mjpeg', url: process.argv[2] } });
const source = await openSource(camera, { closeAfterMs: 100, clock: systemClock, log: silentLogger });
for await (const { index } of source.frames(terminationSignal())) console.log(index);
