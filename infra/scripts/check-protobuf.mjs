#!/usr/bin/env node
// Lints the protobuf contracts, proves that boxes in the field and the cloud still understand each other, and that the
// generated code in the repository is the contracts'. What boxes were last given is libs/contracts/baseline.binpb; once a
// release has reached the fleet, "node infra/scripts/check-protobuf.mjs --renew-baseline" makes it the measure.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const contracts = fileURLToPath(new URL('../../libs/contracts', import.meta.url));
const generated = join('src', 'generated');

function buf(cwd, ...args) {
  execFileSync('buf', args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
}

function files(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length))
    .sort();
}

if (process.argv.includes('--renew-baseline')) {
  buf(contracts, 'build', '-o', 'baseline.binpb');
  process.exit(0);
}
buf(contracts, 'lint');
buf(contracts, 'breaking', '--against', 'baseline.binpb');
const copy = mkdtempSync(join(tmpdir(), 'sightline-protobuf-'));
try {
  for (const name of ['buf.yaml', 'buf.gen.yaml', 'proto'])
    cpSync(join(contracts, name), join(copy, name), { recursive: true });
  buf(copy, 'generate');
  const [expected, actual] = [join(copy, generated), join(contracts, generated)];
  const changed = [...new Set([...files(expected), ...files(actual)])].filter((file) => {
    try {
      return readFileSync(expected + file, 'utf8') !== readFileSync(actual + file, 'utf8');
    } catch {
      return true;
    }
  });
  if (changed.length > 0) {
    console.error(`Generated code is not current: ${changed.join(', ')}\nRun: npm run generate`);
    process.exit(1);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
