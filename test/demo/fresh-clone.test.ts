import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('../..', import.meta.url));
const LARGE = 64 * 1024 * 1024;

const milliseconds = z.number().positive();
/** What the summary has to say; `parse` names every value that is not as it must be. */
const summarySchema = z
  .object({
    enrolled: z.number().min(12),
    sightings: z.number().min(60),
    ofEnrolled: z.number().positive(),
    identified: z.number(),
    misidentified: z.literal(0),
    ofUnknown: z.number().min(10),
    unknownAsSomeone: z.literal(0),
    lost: z.literal(0),
    duplicates: z.literal(0),
    release: z.object({ version: z.string().min(1), digest: z.string().regex(/^[0-9a-f]{64}$/) }),
    stageMs: z.object({
      detect: milliseconds,
      landmarks: milliseconds,
      align: milliseconds,
      embed: milliseconds,
      identify: milliseconds,
      endToEnd: milliseconds,
    }),
  })
  .refine(({ identified, ofEnrolled }) => identified >= 0.95 * ofEnrolled, 'fewer than 95 % were identified');

/** Variables of the test runner would make the clone's own scripts behave as if they were part of it. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_|VITEST|NODE_OPTIONS|NODE_ENV|INIT_CWD|TEST$|NX_)/.test(name),
    ),
  );
}

describe('the demo in a fresh clone that its user alone may enter', () => {
  let clone: string;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sightline-clone-'));
    await chmod(folder, 0o700);
    clone = join(folder, 'sightline');
    await run('git', ['clone', '--quiet', '--no-hardlinks', repository, clone]);
  });

  afterAll(async () => {
    await rm(join(clone, '..'), { recursive: true, force: true });
  });

  async function demo(): Promise<z.infer<typeof summarySchema>> {
    const options = { cwd: clone, env: cleanEnvironment(), maxBuffer: LARGE };
    const { stdout } = await run('npm', ['run', '--silent', 'demo', '--', '--once', '--json'], options);
    return summarySchema.parse(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''));
  }

  it('installs what is missing, builds, and identifies who was enrolled and nobody else', async () => {
    await expect(demo()).resolves.toBeDefined();
  }, 420_000);

  it('works again, and beside another one that is running', async () => {
    await expect(Promise.all([demo(), demo()])).resolves.toHaveLength(2);
  }, 300_000);
});
