import { readFile } from 'node:fs/promises';

import { writeFileDurably } from '@sightline/host';
import { AppError, errorMessage, type Clock, type Logger } from '@sightline/kernel';

export interface RevocationListOptions {
  /** Base address of the cloud API. */
  readonly url: string;
  /** Where the list goes, PEM. */
  readonly output: string;
  /** File with the process id of Mosquitto, which is told to read the list. */
  readonly pidFile?: string | undefined;
  /** Go on, looking every so many seconds. Default: look once. */
  readonly every?: number | undefined;
}

export interface Surroundings {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Sends a signal to a process. */
  readonly kill: (pid: number, signal: 'SIGHUP') => void;
}

const TIMEOUT_MS = 30_000;
/** Of a hundred thousand revoked certificates. */
const LONGEST_LIST = 8 * 1024 * 1024;

/**
 * Fetches the revocation list, writes it when it has changed, and has Mosquitto read it (SIGHUP; Mosquitto 2.0 then reads
 * certificates and lists anew and keeps its connections).
 *
 * @throws AppError `REVOCATION_LIST.UNREACHABLE` when it cannot be fetched, unless it goes on
 */
export async function keepRevocationList(options: RevocationListOptions, surroundings: Surroundings): Promise<void> {
  const { clock, log, signal } = surroundings;
  const isOver = (): boolean => signal.aborted;
  do {
    try {
      await updateList(options, surroundings);
    } catch (error) {
      if (options.every === undefined) throw error;
      log.error({ error: errorMessage(error) }, 'the revocation list is as it was');
    }
    if (options.every !== undefined) await clock.sleep(options.every * 1000, signal).catch(() => undefined);
  } while (options.every !== undefined && !isOver());
}

async function updateList(options: RevocationListOptions, { log, kill, signal }: Surroundings): Promise<void> {
  const { url, output, pidFile } = options;
  const list = await fetchList(new URL('v1/device-certificates/crl', url.endsWith('/') ? url : `${url}/`), signal);
  const before = await readFile(output, 'utf8').catch(() => '');
  if (list === before) return;
  // The broker runs as another user; the list is no secret.
  await writeFileDurably(output, list, 0o644);
  if (pidFile !== undefined) kill(await readPid(pidFile), 'SIGHUP');
  log.info({ output }, 'the revocation list is new');
}

async function fetchList(url: URL, signal: AbortSignal): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    const list = await response.text();
    const isList = response.ok && list.length <= LONGEST_LIST && list.startsWith('-----BEGIN X509 CRL-----');
    if (isList) return list;
    throw new AppError('REVOCATION_LIST.UNREACHABLE', `Status ${response.status}, and no list.`, { retryable: true });
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('REVOCATION_LIST.UNREACHABLE', errorMessage(cause), { retryable: true, cause });
  }
}

async function readPid(path: string): Promise<number> {
  const pid = Number((await readFile(path, 'utf8')).trim());
  // 0 and 1 would be this process's group and the system's first process.
  if (Number.isSafeInteger(pid) && pid > 1) return pid;
  throw new AppError('REVOCATION_LIST.NO_BROKER', `${path} holds no process id.`);
}
