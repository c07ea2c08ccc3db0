import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { rest } from '@sightline/contracts';

/** The program of an app, as it is installed. */
export const program = (app: string): string =>
  fileURLToPath(new URL(`../../apps/${app}/dist/main.js`, import.meta.url));

/**
 * Provisions a box as an operator does: the document of the API, and one command on the box, which fetches a certificate.
 *
 * @param folder of all boxes: this one's data directory is `{id}/agent` in it
 */
export async function provisionBox(
  folder: string,
  cloudUrl: string,
  document: rest.Provisioning,
): Promise<rest.Provisioning> {
  const { deviceId: id } = document;
  const input = join(folder, `${id}.json`);
  await writeFile(input, JSON.stringify(document));
  const directory = join(folder, id, 'etc');
  const options = ['--directory', directory, '--data-directory', join(folder, id, 'agent'), '--cloud-url', cloudUrl];
  await promisify(execFile)('node', [program('edge-agent'), 'provision', input, ...options]);
  return JSON.parse(await readFile(join(directory, 'provisioning.json'), 'utf8')) as rest.Provisioning;
}
