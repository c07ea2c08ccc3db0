import { readFileSync } from 'node:fs';

import { errorMessage } from '@sightline/kernel';

import { environmentSettings, VARIABLE_PREFIX, type Setting } from './settings.js';

/** Names the configuration file itself, for `--config`. */
export const CONFIG_VARIABLE = `${VARIABLE_PREFIX}CONFIG`;

/** One value that the environment sets. */
export interface EnvironmentValue {
  readonly path: readonly string[];
  readonly variable: string;
  readonly value: unknown;
  /** The file that the value was read from. */
  readonly file?: string;
}

export interface EnvironmentValues {
  readonly values: readonly EnvironmentValue[];
  /** What is wrong, by variable. No value is quoted: it may be a secret. */
  readonly problems: readonly { readonly key: string; readonly message: string }[];
}

class UnusableValue extends Error {}

/**
 * Reads what the environment says of the configuration. Each variable can be given as `…_FILE` too, which names the
 * file that holds the value: so a secret need not be in the environment, which other programs inherit and can read.
 */
export function readEnvironment(environment: NodeJS.ProcessEnv): EnvironmentValues {
  const settings = new Map(environmentSettings().map((setting) => [setting.variable, setting]));
  const values: EnvironmentValue[] = [];
  const problems: { key: string; message: string }[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(VARIABLE_PREFIX) || variable === CONFIG_VARIABLE || text === undefined) continue;
    try {
      values.push(valueOf(variable, text, settings, environment));
    } catch (error) {
      if (!(error instanceof UnusableValue)) throw error;
      problems.push({ key: variable, message: error.message });
    }
  }
  // Outer keys first, so that an inner one adds to what an outer one has set.
  values.sort((a, b) => a.path.length - b.path.length);
  return { values, problems };
}

function valueOf(
  variable: string,
  text: string,
  settings: ReadonlyMap<string, Setting>,
  environment: NodeJS.ProcessEnv,
): EnvironmentValue {
  const direct = settings.get(variable);
  if (direct) return { path: direct.path, variable, value: parse(direct, text) };
  const named = variable.endsWith('_FILE') ? settings.get(variable.slice(0, -'_FILE'.length)) : undefined;
  if (!named) throw new UnusableValue('no such variable');
  if (environment[named.variable] !== undefined) throw new UnusableValue(`${named.variable} is set too`);
  return { path: named.path, variable, value: parse(named, readText(text).replace(/\r?\n$/, '')), file: text };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UnusableValue(`its file cannot be read: ${errorMessage(error)}`);
  }
}

function parse({ kind }: Setting, text: string): unknown {
  if (kind === 'text') return text;
  if (kind === 'list' && !text.trimStart().startsWith('[')) return text.split(',').map((part) => part.trim());
  if (kind === 'boolean') {
    if (text !== 'true' && text !== 'false') throw new UnusableValue('true or false');
    return text === 'true';
  }
  if (kind === 'number') {
    const number = Number(text);
    if (text.trim() === '' || !Number.isFinite(number)) throw new UnusableValue('not a number');
    return number;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Without the parser's own error: it quotes the text around the mistake.
    throw new UnusableValue('cannot be read as JSON');
  }
}
