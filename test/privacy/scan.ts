import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Something that must not lie in any file. */
export interface Marker {
  readonly what: string;
  readonly bytes: Buffer;
}

/**
 * Which markers lie in the files of folders, as bytes: each `what` with the files that hold it. A file that goes away
 * meanwhile is left out, as a write-ahead segment may.
 */
export async function findMarkers(
  folders: readonly string[],
  markers: readonly Marker[],
): Promise<{ readonly found: ReadonlyMap<string, readonly string[]>; readonly bytes: number }> {
  const found = new Map<string, string[]>();
  let bytes = 0;
  for (const folder of folders) {
    for (const path of await filesOf(folder)) {
      bytes += await scan(path, markers, (what) => found.set(what, [...(found.get(what) ?? []), path]));
    }
  }
  return { found, bytes };
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

async function scan(path: string, markers: readonly Marker[], onFound: (what: string) => void): Promise<number> {
  const overlap = Math.max(...markers.map((marker) => marker.bytes.length)) - 1;
  const seen = new Set<string>();
  let [tail, read] = [Buffer.alloc(0), 0];
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      const part = chunk as Buffer;
      const window = Buffer.concat([tail, part]);
      for (const { what, bytes } of markers) {
        if (seen.has(what) || !window.includes(bytes)) continue;
        seen.add(what);
        onFound(what);
      }
      tail = window.subarray(Math.max(0, window.length - overlap));
      read += part.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return read;
}
