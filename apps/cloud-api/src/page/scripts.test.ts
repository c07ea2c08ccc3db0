import type { rest } from '@sightline/contracts';
import { beforeEach, describe, expect, it } from 'vitest';

/** What is tested of the page's scripts, which the browser and these tests run as they are written. */
interface Book {
  readonly counts: ReadonlyMap<string, number>;
  readonly newestReceivedAt: string | undefined;
  begin(items: readonly rest.Sighting[]): void;
  hear(item: rest.Sighting): void;
  read(items: readonly rest.Sighting[]): void;
  newest(): readonly rest.Sighting[];
  clear(): void;
}
interface Parser {
  push(text: string): Iterable<string>;
}
interface Format {
  clockTime(ms: number, nowMs: number): string;
  relativeTime(ms: number, nowMs: number): string;
  duration(ms: number): string;
  integer(value: number): string;
}

const script = (name: string): Promise<unknown> => import(new URL(`../../page/${name}`, import.meta.url).href);
const { SightingBook } = (await script('sighting-book.js')) as { SightingBook: new () => Book };
const { EventParser } = (await script('event-stream.js')) as { EventParser: new () => Parser };
const format = (await script('format.js')) as Format;

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();

function sighting(id: string, second: number, changes: Partial<rest.Sighting> = {}): rest.Sighting {
  return {
    ...{ id, deviceId: 'box', siteId: 'gate', cameraId: 'door', phase: 'close', revision: 1 },
    ...{ firstSeenAt: at(second), lastSeenAt: at(second), receivedAt: at(second) },
    ...{
      quality: 0.8,
      liveScore: null,
      frames: 5,
      replayed: false,
      releaseDigest: '',
      refusalCode: null,
      localDiffered: false,
      stageMs: {},
      latencyMs: 20,
    },
    decision: decided('unknown'),
    ...changes,
  };
}
const decided = (outcome: rest.Outcome, name?: string): rest.Decision => ({
  ...{ outcome, score: 0.4, threshold: 0.5, falseMatchRate: 1e-4 },
  person: name === undefined ? null : { id: 'p', name },
  ambiguousBetween: [],
});

describe("the page's book of sightings", () => {
  let book: Book;
  beforeEach(() => {
    book = new SightingBook();
  });
  const ids = () => book.newest().map(({ id }) => id);
  const counts = () => Object.fromEntries(book.counts);

  it('shows what was there when the page was opened, and counts what came since', () => {
    book.begin([sighting('b', 2), sighting('a', 1)]);
    book.hear(sighting('c', 3));
    expect([ids(), counts()]).toEqual([['c', 'b', 'a'], { unknown: 1 }]);
  });

  it('counts what came before the list was read, once', () => {
    book.hear(sighting('a', 1));
    book.begin([sighting('a', 1)]);
    expect(counts()).toEqual({ unknown: 1 });
  });

  it('takes the same in any order and any number of times', () => {
    const first = sighting('a', 5, { phase: 'open' });
    const second = sighting('a', 5, { revision: 2, receivedAt: at(6), decision: decided('identified', 'Ada') });
    for (const order of [
      [first, second],
      [second, first],
      [first, second, first, second],
    ]) {
      book = new SightingBook();
      for (const item of order) book.hear(item);
      book.read(order);
      expect(book.newest()).toEqual([second]);
      expect(Object.entries(counts()).filter(([, count]) => count !== 0)).toEqual([['identified', 1]]);
    }
  });

  it('counts of the list only what was received since the page was opened', () => {
    book.begin([sighting('c', 30)]);
    book.read([sighting('d', 31), sighting('c', 30), sighting('b', 29)]);
    expect([ids(), counts()]).toEqual([['d', 'c', 'b'], { unknown: 1 }]);
    expect(book.newestReceivedAt).toBe(at(31));
  });

  it('counts one that was sent late although it was seen long before', () => {
    book.begin([sighting('b', 30)]);
    book.read([sighting('a', 1, { receivedAt: at(40), replayed: true })]);
    expect([ids(), counts()]).toEqual([['b', 'a'], { unknown: 1 }]);
  });

  it('takes over a name that was erased, which is no new revision', () => {
    book.hear(sighting('a', 1, { decision: decided('identified', 'Ada') }));
    book.read([sighting('a', 1, { decision: decided('identified') })]);
    expect(book.newest()[0]?.decision.person).toBeNull();
    expect(counts()).toEqual({ identified: 1 });
  });

  it('keeps the newest two hundred, and remembers the others so that none counts twice', () => {
    const crowd = Array.from({ length: 1000 }, (_, index) => sighting(`s${index}`, index));
    for (const item of crowd) book.hear(item);
    for (const item of crowd) book.hear(item);
    expect(ids()).toEqual(Array.from({ length: 200 }, (_, index) => `s${999 - index}`));
    expect(counts()).toEqual({ unknown: 1000 });
  });

  it('forgets everything when it is cleared', () => {
    book.hear(sighting('a', 1));
    book.clear();
    expect([ids(), counts(), book.newestReceivedAt]).toEqual([[], {}, undefined]);
  });
});

describe("the page's parser of server-sent events", () => {
  const stream =
    ': alive\n\nid: 1\ndata: {"a":1}\n\nevent: x\r\ndata:one\r\ndata: two\r\n\r\ndata: three\r\rdata: not ended';
  const events = ['{"a":1}', 'one\ntwo', 'three'];

  it('gives the data of each event, whatever its line ends are', () => {
    expect([...new EventParser().push(stream)]).toEqual(events);
  });

  it('does not mind where the pieces end', () => {
    for (let size = 1; size < stream.length; size += 1) {
      const parser = new EventParser();
      const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
        stream.slice(index * size, (index + 1) * size),
      );
      expect(pieces.flatMap((piece) => [...parser.push(piece)])).toEqual(events);
    }
  });
});

describe("the page's times and numbers", () => {
  const now = new Date(2026, 0, 2, 12, 0, 0).getTime();

  it.each([
    [-5000, 'now'],
    [999, 'now'],
    [9999, '9 s ago'],
    [59_999, '50 s ago'],
    [60_000, '1 min ago'],
    [3_600_000, '1 h ago'],
    [47 * 3_600_000, '47 h ago'],
    [72 * 3_600_000, '3 days ago'],
  ])('says of %i ms before: %s', (ago, text) => {
    expect(format.relativeTime(now - ago, now)).toBe(text);
  });

  it('names the day of a time that is not of today', () => {
    expect(format.clockTime(now - 3_600_000, now)).toBe('11:00:00');
    expect(format.clockTime(now - 13 * 3_600_000, now)).toBe('1 Jan, 23:00:00');
    expect(format.clockTime(now - 365 * 86_400_000, now)).toBe('2 Jan 2025, 12:00:00');
  });

  it.each([
    [0.4, '0 ms'],
    [9999, '9,999 ms'],
    [10_000, '10 s'],
    [180_000, '3 min'],
    [7_200_000, '2 h'],
  ])('writes a duration of %d ms as %s', (ms, text) => {
    expect(format.duration(ms)).toBe(text);
  });

  it('sets thousands apart', () => expect(format.integer(1234567)).toBe('1,234,567'));
});
