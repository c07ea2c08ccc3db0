import { readFileSync } from 'node:fs';

import { AppError, errorMessage } from '@sightline/kernel';
import type { z } from 'zod';

/**
 * Checks a configuration, as far as it can in one go.
 *
 * @param name what the message calls it, with a capital letter
 * @throws AppError `CONFIG.INVALID`: the message says of every bad key what is wrong with it, `details.keys` lists
 *   them; no value is in either, because it may be a secret
 */
export function parseConfiguration<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  name = 'The configuration',
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap(problemsOf);
  const lines = problems.map(({ key, message }) => `  ${key}: ${message}`);
  throw new AppError('CONFIG.INVALID', [`${name} is not valid:`, ...lines].join('\n'), {
    details: { keys: [...new Set(problems.map(({ key }) => key))] },
  });
}

/**
 * Reads and checks a JSON file.
 *
 * @throws AppError `CONFIG.INVALID` as {@link parseConfiguration}, and for a file that cannot be read or is no JSON
 */
export function readConfiguration<Schema extends z.ZodType>(path: string, schema: Schema): z.output<Schema> {
  return parseConfiguration(schema, parseJson(readText(path), path), path);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AppError('CONFIG.INVALID', `${path} cannot be read: ${errorMessage(cause)}`, {
      cause,
      details: { path },
    });
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the parser's own error: it quotes the text around the mistake.
    throw new AppError('CONFIG.INVALID', `${path} cannot be read as JSON.`, { details: { path } });
  }
}

interface Problem {
  readonly key: string;
  readonly message: string;
}

function problemsOf(issue: z.core.$ZodIssue): readonly Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ key: keyOf([...issue.path, key]), message: 'no such key' }));
  }
  return [{ key: keyOf(issue.path), message: issue.message }];
}

function keyOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? '(the whole)' : path.map(String).join('.');
}
