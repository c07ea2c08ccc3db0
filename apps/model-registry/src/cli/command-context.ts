import type { Clock } from '@sightline/kernel';
import type { Command } from 'commander';

import type { RegistryClient } from './registry-client.js';
import type { Terminal } from './terminal.js';

/** What a command works with. */
export interface CommandContext {
  /** The registry that the command's options name. */
  readonly client: (command: Command) => RegistryClient;
  /** Shows an answer: as JSON where that is asked for, otherwise as people read it. */
  readonly show: (command: Command, answer: object, text: () => string) => void;
  readonly terminal: Terminal;
  readonly clock: Pick<Clock, 'sleep'>;
}
