import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second of /proc/…/stat: 100 on every Linux that Node runs on (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** CPU time that the main thread of a process and all its other threads have used, s. */
export interface ThreadCpu {
  readonly main: number;
  readonly others: number;
}

export function threadCpu(pid: number): ThreadCpu {
  let [main, others] = [0, 0];
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const seconds = cpuSeconds(`/proc/${pid}/task/${task}/stat`);
    if (Number(task) === pid) main += seconds;
    else others += seconds;
  }
  return { main, others };
}

/** CPU time of a process and of all its descendants that live, or have ended and been waited for, s. */
export function treeCpu(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const fields = statFields(`/proc/${name}/stat`);
    if (fields !== undefined) parents.set(Number(name), Number(fields[1]));
  }
  const isWithin = (candidate: number): boolean => {
    const parent = parents.get(candidate);
    return candidate === pid || (parent !== undefined && parent !== 0 && isWithin(parent));
  };
  return [...parents.keys()]
    .filter(isWithin)
    .reduce((sum, each) => sum + cpuSeconds(`/proc/${each}/stat`) + endedChildrenSeconds(`/proc/${each}/stat`), 0);
}

function cpuSeconds(path: string): number {
  const fields = statFields(path);
  // proc(5): utime and stime are the 14th and 15th fields; the first two are cut off.
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function endedChildrenSeconds(path: string): number {
  const fields = statFields(path);
  return fields === undefined ? 0 : (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** What follows the command's name, which may hold anything: from the state, the third field. */
function statFields(path: string): readonly string[] | undefined {
  try {
    const text = readFileSync(path, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // ended meanwhile
  }
}
