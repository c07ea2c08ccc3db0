// The peer's side of bench:pipeline: one child process, which measures when it is asked to.
//
// First message, from the parent: { frames: [{ faces, path, width, height }] }, raw RGB files.
// Then { frame, runs }: answered with { ms: number[], cpuMs, found } for that frame,
// cpuMs being the CPU time of this process a run.
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

/**
 * @param prepare loads the models; returns `settings` (what was chosen, for the report), `toInput` (raw RGB
 *   to what the library takes) and `describe` (that input to one descriptor a face, the call that is timed)
 */
export function servePeer(prepare) {
  let inputs = [];
  let peer;

  async function start({ frames }) {
    peer = await prepare();
    inputs = await Promise.all(frames.map(async ({ path, ...size }) => peer.toInput(await readFile(path), size)));
    return { settings: peer.settings };
  }

  async function measure({ frame, runs }) {
    const ms = [];
    let found = 0;
    const before = process.cpuUsage();
    for (let run = 0; run < runs; run++) {
      const began = performance.now();
      const descriptors = await peer.describe(inputs[frame]);
      ms.push(performance.now() - began);
      found = descriptors.length;
    }
    const { user, system } = process.cpuUsage(before);
    return { ms, cpuMs: (user + system) / 1000 / runs, found };
  }

  process.on('message', (message) => {
    (peer === undefined ? start(message) : measure(message)).then(
      (answer) => process.send(answer),
      (error) => process.send({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}
