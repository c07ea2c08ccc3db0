import { isAppError } from '@sightline/kernel';

/** How the program ends, as sysexits.h has it where it has something. Documented in docs/edge-agent.md. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** The command line is wrong. */
  usage: 64,
  /** Something that was needed did not answer. */
  unavailable: 69,
  /** Another agent uses the data directory. */
  inUse: 73,
  /** Ended in order at the memory ceiling: start again. */
  startAgain: 75,
  /** Refused: the box has another identity. */
  refused: 77,
  /** The configuration is wrong: starting again would not help. */
  configuration: 78,
} as const;

const ofCodes: Readonly<Record<string, number>> = {
  'CONFIG.INVALID': exitCodes.configuration,
  'AGENT.ALREADY_RUNNING': exitCodes.inUse,
  'AGENT.MEMORY_EXCEEDED': exitCodes.startAgain,
  'PROVISIONING.OTHER_IDENTITY': exitCodes.refused,
  'PROVISIONING.BROKER_UNREACHABLE': exitCodes.unavailable,
  'CERTIFICATE.UNREACHABLE': exitCodes.unavailable,
  'RELEASE.UNAVAILABLE': exitCodes.unavailable,
  'RELEASE.UNREACHABLE': exitCodes.unavailable,
};

/** The exit code of what a command threw. */
export function exitCodeOf(error: unknown): number {
  return isAppError(error) ? (ofCodes[error.code] ?? exitCodes.failed) : exitCodes.failed;
}
