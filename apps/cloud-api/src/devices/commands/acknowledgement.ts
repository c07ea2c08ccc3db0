import type { CommandAck } from '@sightline/contracts';

import { printable } from '../printable.js';

/** Figures of a command at most. */
const FIGURES = 2000;
/** A figure's name. What is longer, or what PostgreSQL cannot store, is none. */
const NAME = /^[\x21-\x7e]{1,100}$/;

/**
 * What can be stored of the outcome that a box reports: an error code of 100 printable ASCII characters at most (null
 * when there is none), and the first 2000 figures that are finite numbers with a name of 1 to 100 such characters.
 * PostgreSQL stores no U+0000, and JSON knows neither NaN nor infinities.
 */
export function outcomeOf({ error, figures }: Pick<CommandAck, 'error' | 'figures'>): {
  readonly error: string | null;
  readonly figures: Readonly<Record<string, number>>;
} {
  const sound = Object.entries(figures).filter(([name, value]) => NAME.test(name) && Number.isFinite(value));
  return {
    error: printable(error) || null,
    figures: Object.fromEntries(sound.slice(0, FIGURES)),
  };
}
