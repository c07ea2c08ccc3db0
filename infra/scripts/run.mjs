#!/usr/bin/env node
// Every npm script of this repository: makes sure that dependencies are installed and sources are built,
// then runs the task. Needs Node and npm alone. All of its own output goes to stderr, so that a task's
// standard output stays machine-readable.
import { spawn } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const windows = process.platform === 'win32';
process.env.PATH = join(root, 'node_modules', '.bin') + delimiter + process.env.PATH;
process.env.NX_DAEMON = 'false';

/** Runs a command to its end; the exit code. Signals reach it through the terminal or are passed on. */
function run(command, args, stdio) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio, shell: windows });
    const pass = (signal) => child.kill(signal);
    process.on('SIGTERM', pass);
    const ignore = () => undefined; // the terminal sends SIGINT to the child itself
    process.on('SIGINT', ignore);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGTERM', pass);
      process.off('SIGINT', ignore);
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : 15));
    });
  });
}

const quiet = ['ignore', 2, 2];
const direct = 'inherit';

async function required(command, ...args) {
  const code = await run(command, args, quiet);
  if (code !== 0) process.exit(code);
}

function modifiedMs(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** npm's own record of what it has installed. */
const record = 'node_modules/.package-lock.json';
/** There while an install is under way; one that stays was interrupted and left packages half written. */
const installing = '.sightline/installing';

function isInstalled() {
  return modifiedMs(record) >= modifiedMs('package-lock.json') && modifiedMs(installing) === 0;
}

async function install() {
  console.error('Installing dependencies …');
  // `ci` begins by deleting everything, also what another demo of this clone is running: only when it must.
  const command = modifiedMs(record) === 0 || modifiedMs(installing) > 0 ? 'ci' : 'install';
  writeFileSync(join(root, installing), '');
  await required('npm', command, '--no-audit', '--no-fund', '--loglevel=error');
  rmSync(join(root, installing));
  // An install that had nothing to change leaves its record as old as it was.
  const now = new Date();
  utimesSync(join(root, record), now, now);
}

function processIsAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** One bootstrap at a time for this clone; a lock whose owner is dead is taken over. */
async function withLock(task) {
  const lock = join(root, '.sightline', 'bootstrap.lock');
  const own = `${lock}.${process.pid}`;
  mkdirSync(join(root, '.sightline'), { recursive: true });
  writeFileSync(own, String(process.pid));
  let waitsFor = 0;
  // Linked rather than written, so that no lock is ever seen without its owner.
  while (!linked(own, lock)) {
    const owner = ownerOf(lock);
    if (owner === undefined) continue; // gone meanwhile
    if (!(owner > 0 && processIsAlive(owner))) {
      rmSync(lock, { force: true });
      continue;
    }
    if (owner !== waitsFor) console.error(`Waiting for process ${owner}, which installs or builds this clone …`);
    waitsFor = owner;
    await sleep(250);
  }
  rmSync(own);
  try {
    return await task();
  } finally {
    rmSync(lock, { force: true });
  }
}

function linked(existing, path) {
  try {
    linkSync(existing, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function ownerOf(lock) {
  try {
    return Number(readFileSync(lock, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function prepare() {
  await withLock(async () => {
    if (!isInstalled()) await install();
    console.error('Building …');
    await required('tsc', '-b');
  });
}

const vitest = (project) => (args) =>
  run(
    'vitest',
    [
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile=reports/test-${project}.json`,
      ...args,
    ],
    direct,
  );

const tasks = {
  build: async () => 0,
  demo: (args) => run(process.execPath, ['apps/standalone/dist/main.js', 'demo', ...args], direct),
  test: vitest('unit'),
  'test:system': vitest('system'),
  'bench:accuracy': (args) => run(process.execPath, ['test/dist/bench/accuracy.js', ...args], direct),
  'bench:analytics': (args) => run(process.execPath, ['test/dist/bench/analytics.js', ...args], direct),
  'bench:pipeline': (args) => run(process.execPath, ['test/dist/bench/pipeline.js', ...args], direct),
  'bench:tracking': (args) => run(process.execPath, ['test/dist/bench/tracking.js', ...args], direct),
  'bench:models': (args) => run(process.execPath, ['test/dist/bench/models.js', ...args], direct),
  'bench:pad': (args) => run(process.execPath, ['test/dist/bench/pad.js', ...args], direct),
  'bench:edge': (args) => run(process.execPath, ['test/dist/bench/edge.js', ...args], direct),
  'bench:gallery': (args) => run(process.execPath, ['test/dist/bench/gallery.js', ...args], direct),
  'bench:decision': (args) => run(process.execPath, ['test/dist/bench/decision.js', ...args], direct),
  'bench:ingest': (args) => run(process.execPath, ['test/dist/bench/ingest.js', ...args], direct),
  'bench:self-test': (args) => run(process.execPath, ['test/dist/bench/self-test.js', ...args], direct),
  'bench:soak': (args) => run(process.execPath, ['test/dist/bench/soak.js', ...args], direct),
  check: (args) => run('nx', ['run', 'sightline:check', '--outputStyle=static', ...args], direct),
};

const [task = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(tasks, task)) {
  console.error(`usage: npm run <${Object.keys(tasks).join(' | ')}>`);
  process.exit(2);
}
await prepare();
process.exit(await tasks[task](args));
