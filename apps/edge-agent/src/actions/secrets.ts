import { readFileSync } from 'node:fs';

import { AppError } from '@sightline/kernel';

import type { SecretReference } from '../config/actions-config.js';

/** Reads secrets that a configuration refers to. */
export class Secrets {
  readonly #environment: NodeJS.ProcessEnv;

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  /**
   * The secret, without the line break that ends a file.
   *
   * @param key of the configuration, for the error
   * @throws AppError `CONFIG.INVALID` when it is not there or empty
   */
  read(reference: SecretReference, key: string): string {
    const text = 'file' in reference ? readFile(reference.file, key) : this.#environment[reference.environment];
    const secret = text?.replace(/\r?\n$/, '') ?? '';
    if (secret === '') throw invalid(key, 'what it refers to is not there, or empty');
    return secret;
  }
}

/** @throws AppError `CONFIG.INVALID` */
export function readFile(path: string, key: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw invalid(key, 'the file that it refers to cannot be read');
  }
}

export function invalid(key: string, reason: string): AppError {
  return new AppError('CONFIG.INVALID', `The configuration is not valid:\n  ${key}: ${reason}`, {
    details: { keys: [key] },
  });
}
