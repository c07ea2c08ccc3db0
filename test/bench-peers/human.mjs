// @vladmandic/human: detector, face mesh, description. What it offers beyond that is off; its cache is off too,
// since it would answer a repeated frame without work.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { servePeer } from './serve-peer.mjs';
import { oneThread, wasmFolder } from './wasm-backend.mjs';

const require = createRequire(import.meta.url);
/** By path: the package's `exports` name this build without the leading `./`, so that Node cannot find it. */
const folder = fileURLToPath(new URL('node_modules/@vladmandic/human/', import.meta.url));

/** Its build for WebAssembly loads models over HTTP alone. */
function serveModels(folder) {
  const server = createServer((request, response) => {
    createReadStream(join(folder, basename(request.url)))
      .on('error', () => response.writeHead(404).end())
      .pipe(response);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ server, url: `http://127.0.0.1:${server.address().port}/` }));
  });
}

servePeer(async () => {
  oneThread();
  const { Human } = require(join(folder, 'dist', 'human.node-wasm.js'));
  const models = await serveModels(join(folder, 'models'));
  const human = new Human({
    backend: 'wasm',
    wasmPath: wasmFolder,
    modelBasePath: models.url,
    debug: false,
    cacheSensitivity: 0,
    face: { detector: { maxDetected: 20 }, iris: { enabled: false }, emotion: { enabled: false } },
    body: { enabled: false },
    hand: { enabled: false },
    gesture: { enabled: false },
  });
  await human.load();
  models.server.close();
  const { detector, mesh, description } = human.config.face;
  return {
    settings: { version: human.version, backend: human.tf.getBackend(), threads: 1, detector, mesh, description },
    toInput: (rgb, { width, height }) => human.tf.tensor3d(new Int32Array(rgb), [height, width, 3], 'int32'),
    describe: async (input) => {
      const { face, error } = await human.detect(input);
      if (error) throw new Error(error);
      return face.filter(({ embedding }) => embedding !== undefined && embedding.length > 0);
    },
  };
});
