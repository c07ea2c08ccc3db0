import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Process ids of the PostgreSQL servers (not their workers) that serve the embedded database of a directory. */
export function postmastersOf(directory: string): readonly number[] {
  const pointer = join(directory, 'location');
  const home = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : directory;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => argumentsOf(pid).includes(join(home, 'data')));
}

function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
