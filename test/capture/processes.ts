import { readdirSync, readFileSync } from 'node:fs';

/** Ids of the FFmpeg processes whose parent is that process; without one, of all on the machine. */
export function ffmpegsOf(parent?: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      // `pid (name) state parent …`; a zombie is one that nobody waited for, so it counts.
      const [, name, , ppid] = /^\d+ \((.*)\) (\S) (\d+)/.exec(read(`/proc/${pid}/stat`)) ?? [];
      return name === 'ffmpeg' && (parent === undefined || Number(ppid) === parent);
    });
}

/** What a process listing shows of a process. */
export function commandLineOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
