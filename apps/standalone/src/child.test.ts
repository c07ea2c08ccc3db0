import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';

const module = new URL('../dist/child.js', import.meta.url).href;
// Works for as long as it takes to stop in order, then says why.
const program = `
  const { aborted, endOfChild } = await import(${JSON.stringify(module)});
  const signal = endOfChild();
  const busy = setInterval(() => undefined, 1000);
  process.send('ready');
  await aborted(signal);
  await new Promise((resolve) => setTimeout(resolve, 200));
  clearInterval(busy);
  if (process.connected) process.disconnect();
`;

let child: ChildProcess;
afterEach(() => child.kill('SIGKILL'));

async function start(): Promise<void> {
  child = fork('-', { execArgv: ['--input-type=module', '--eval', program] });
  await once(child, 'message');
}

test('a Ctrl-C that reaches a child too leaves it to its parent, which stops it in order', async () => {
  await start();
  child.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(child.exitCode).toBe(null);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('a child ends when its parent is gone', async () => {
  await start();
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
});
