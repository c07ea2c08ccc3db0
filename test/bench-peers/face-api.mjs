// @vladmandic/face-api: detector, 68 landmarks, descriptor. The argument names the detector: `ssd` (its default,
// SSD MobileNet v1) or `tiny` (its fast one, at its default size of 416).
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { servePeer } from './serve-peer.mjs';
import { oneThread } from './wasm-backend.mjs';

const require = createRequire(import.meta.url);
const detector = process.argv[2];

servePeer(async () => {
  const tf = require('@tensorflow/tfjs');
  oneThread();
  await tf.setBackend('wasm');
  await tf.ready();
  const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');
  const folder = join(dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
  const detectorNet = detector === 'tiny' ? faceapi.nets.tinyFaceDetector : faceapi.nets.ssdMobilenetv1;
  for (const net of [detectorNet, faceapi.nets.faceLandmark68Net, faceapi.nets.faceRecognitionNet]) {
    await net.loadFromDisk(folder);
  }
  const options = detector === 'tiny' ? new faceapi.TinyFaceDetectorOptions() : new faceapi.SsdMobilenetv1Options();
  return {
    settings: { version: faceapi.version, backend: tf.getBackend(), threads: 1, detector, options },
    toInput: (rgb, { width, height }) => tf.tensor3d(new Int32Array(rgb), [height, width, 3], 'int32'),
    describe: (input) => faceapi.detectAllFaces(input, options).withFaceLandmarks().withFaceDescriptors(),
  };
});
