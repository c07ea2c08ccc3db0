import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What tells one process from another that was given the same number later. */
export interface ProcessFacts {
  /** When it started, in the operating system's own terms: compare for equality alone. */
  readonly startedAt: string;
  /** Its arguments; one string where the system does not keep them apart, none where it does not tell. */
  readonly arguments: readonly string[];
}

/**
 * What the system knows of a process; undefined when there is none with that number. A zombie counts as none:
 * a container whose first process does not reap keeps them for ever.
 */
export function findProcess(pid: number): ProcessFacts | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (process.platform === 'linux') return fromProc(pid);
  return process.platform === 'win32' ? fromSignal(pid) : fromPs(pid);
}

function fromProc(pid: number): ProcessFacts | undefined {
  try {
    // proc(5): the second field is the name in parentheses and may itself hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return { startedAt: `${fields[19] ?? ''} ${bootId()}`, arguments: commandLine.split('\0').slice(0, -1) };
  } catch {
    return undefined;
  }
}

/** Start times count from the boot, and a box that boots the same way every time repeats them. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
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

/** For systems that only tell whether a process is there. Exported for its test. */
export function fromSignal(pid: number): ProcessFacts | undefined {
  const facts = { startedAt: '', arguments: [] };
  try {
    process.kill(pid, 0);
    return facts;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? facts : undefined;
  }
}
