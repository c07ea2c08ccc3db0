#!/usr/bin/env node
// Writes what is made of the contract: docs/asyncapi.json and the access list of Mosquitto. With --check it says what is
// not current instead. Needs the build.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { asyncApiDocument } from '../../libs/contracts/dist/index.js';
import { mosquittoAccessList, mosquittoServices } from '../../libs/messaging/dist/index.js';

const accessListHead = `# Who may read and write what. Made of the contract (libs/contracts/src/topics.ts) by "npm run generate".
# Patterns are for boxes: %u is {tenant}/{device}, the common name of a box's certificate.

`;

const documents = {
  '../../docs/asyncapi.json': `${JSON.stringify(asyncApiDocument(), null, 2)}\n`,
  '../mosquitto/acl': accessListHead + mosquittoAccessList(mosquittoServices),
};

const old = [];
for (const [path, content] of Object.entries(documents)) {
  const file = fileURLToPath(new URL(path, import.meta.url));
  if (!process.argv.includes('--check')) {
    writeFileSync(file, content);
    continue;
  }
  let current;
  try {
    current = readFileSync(file, 'utf8');
  } catch {
    current = undefined;
  }
  if (current !== content) old.push(file);
}
if (old.length > 0) {
  console.error(`Not what the contract says: ${old.join(', ')}\nRun: npm run build && npm run generate`);
  process.exit(1);
}
