import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What tells one process from another that was given the same number later. */
export interface ProcessFacts {
  /** When it started, in units of the operating system: compare for equality alone. */
  readonly startedAt: string;
  /** Its arguments; one string where the system does not keep them apart. */
  readonly arguments: readonly string[];
}

/**
 * What the system knows of a process; undefined when there is none with that number. A zombie counts as none:
 * a container whose first process does not reap keeps them for ever.
 */
export function findProcess(pid: number): ProcessFacts | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
}

function fromProc(pid: number): ProcessFacts | undefined {
  try {
    // proc(5): the second field is the name in parentheses and may itself hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return { startedAt: fields[19] ?? '', arguments: commandLine.split('\0').slice(0, -1) };
  } catch {
    return undefined;
  }
}

/** For systems without /proc. Exported for its test. */
export function fromPs(pid: number): ProcessFacts | undefined {
  try {
    const columns = ['-ww', '-o', 'state=', '-o', 'lstart=', '-o', 'args=', '-p', String(pid)];
    const line = execFileSync('ps', columns, {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const match = /^\s*(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/.exec(line.trimEnd());
    if (!match || match[1]?.startsWith('Z')) return undefined;
    return { startedAt: match[2] ?? '', arguments: [match[3] ?? ''] };
  } catch {
    return undefined;
  }
}
