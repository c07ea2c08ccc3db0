import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { collectionOf } from '../qdrant/collection-plan.js';
import { startStandInQdrant, type StandInQdrant } from './stand-in-qdrant.js';
import { readTapes, replayTape, type TapedExchange } from './tapes.js';

let standIn: StandInQdrant;
beforeEach(async () => {
  standIn = await startStandInQdrant();
});
afterEach(() => standIn.close());

const tapes = await readTapes();

describe('the stand-in for Qdrant', () => {
  it(`answers as a real Qdrant did on every tape that lies beside the project (${tapes.length})`, async () => {
    for (const tape of tapes) {
      standIn.wipe();
      expect(await replayTape(standIn.url, tape), tape.name).toEqual([]);
    }
  });
});

describe('a tape', () => {
  const made: TapedExchange = {
    request: { method: 'PUT', path: '/collections/c', body: collectionOf(2, { replicas: 1 }) },
    response: { status: 200, body: { result: true, status: 'ok', time: 0.1 } },
  };

  it('is read from a file, and its requests are made in order', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sightline-tapes-'));
    await writeFile(join(folder, 'made.json'), JSON.stringify([made]));
    const [tape] = await readTapes(pathToFileURL(`${folder}/`));
    await rm(folder, { recursive: true });
    expect(await replayTape(standIn.url, tape ?? { name: '', exchanges: [] })).toEqual([]);
    expect(standIn.collections()).toEqual(['c']);
  });

  it('tells another status, a missing field, another type and an empty list', async () => {
    const read = (body: unknown, status = 200): TapedExchange => ({
      request: { method: 'GET', path: '/collections' },
      response: { status, body },
    });
    const exchanges = [
      read({}, 404),
      read({ result: { colour: 'red' } }),
      read({ status: 3 }),
      read({ result: { collections: [{}] } }),
    ];
    expect(await replayTape(standIn.url, { name: 'wrong', exchanges })).toHaveLength(4);
  });
});
