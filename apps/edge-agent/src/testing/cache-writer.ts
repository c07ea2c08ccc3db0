import Database from 'libsql';

import { systemClock, type Logger } from '@sightline/kernel';

import { composeCache } from '../cache/compose-cache.js';
import type { LocalCache } from '../cache/local-cache.js';
import { cacheSchema } from '../config/cache-config.js';
import { DeviceClock } from '../device-clock.js';
import { TrustedTime } from '../trusted-time.js';
import { belonging, cachedPerson, DeltaSigner, personId } from './cache-fixtures.js';

/**
 * A process that is to be killed: opens the local cache in the directory of its first argument, prints what is held,
 * takes as many deltas as its second argument says, and prints each receipt. With a third argument it kills itself
 * before that call of the database.
 *
 * The delta that makes version v puts person v, replaces person 0, and erases person v − 2.
 */
const [, , directory = '', deltas = '1', killBefore = '0'] = process.argv;

let calls = 0;
function count(): void {
  calls += 1;
  if (calls === Number(killBefore)) process.kill(process.pid, 'SIGKILL');
}

/** Counts every call that may reach the disk. */
function watchDatabase(): void {
  const probe = new Database(':memory:');
  const statement: object = probe.prepare('SELECT 1');
  const watched: readonly (readonly [object, string])[] = [
    [Database.prototype, 'exec'],
    ...['run', 'get', 'all'].map((name) => [Object.getPrototypeOf(statement) as object, name] as const),
  ];
  probe.close();
  for (const [prototype, name] of watched) {
    const original = Reflect.get(prototype, name) as (...values: unknown[]) => unknown;
    Reflect.set(prototype, name, function (this: unknown, ...values: unknown[]) {
      count();
      return original.apply(this, values);
    });
  }
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const codes: unknown[] = [];
const note = ({ code }: Readonly<Record<string, unknown>>): void => void codes.push(code);
const log: Logger = { debug: () => undefined, info: () => undefined, warn: note, error: note, child: () => log };
const signer = new DeltaSigner();

function held(cache: LocalCache): Readonly<Record<number, string>> {
  const { version } = cache.holding;
  const known = Array.from({ length: version + 3 }, (_, number) => [number, cache.groupsOf(personId(number))[0]]);
  return Object.fromEntries(known.filter(([, mark]) => mark !== undefined)) as Readonly<Record<number, string>>;
}

function takeNext(cache: LocalCache): void {
  const next = cache.holding.version + 1;
  const gone = { personId: personId(next - 2), erasureId: `e-${next - 2}` };
  const delta = signer.delta({
    cacheId: 'one',
    ...{ fromVersion: BigInt(next - 1), toVersion: BigInt(next) },
    lease: { issuedAtMs: BigInt(next), expiresAtMs: 10n ** 15n },
    tombstones: next > 2 ? [gone] : [],
    people: [0, next].map((number) => cachedPerson(number, { shots: [1, 2], groups: [`v${next}`] })),
  });
  const { version, erasureIds, error } = cache.take(delta);
  print({ version: Number(version), erasureIds, error });
}

watchDatabase();
const cache = await composeCache({
  config: cacheSchema.parse({}),
  dataDirectory: directory,
  provisioning: { tenantId: 'acme', deviceId: 'door-1', gallery: signer.gallery },
  keyId: () => belonging.keyId,
  running: () => ({ recogniser: belonging, protector: belonging, calibration: [] }),
  trustedTime: new TrustedTime({
    path: `${directory}/trusted-time.json`,
    ...{ clock: systemClock, log, isSynchronised: () => false },
  }),
  deviceClock: new DeviceClock(systemClock),
  log,
});
if (!cache) throw new Error('there is no cache');
print({ version: cache.holding.version, held: held(cache), pending: cache.pendingReceipt()?.erasureIds ?? [], codes });
for (let taken = 0; taken < Number(deltas); taken += 1) {
  takeNext(cache);
  // Lets what was printed go out.
  await new Promise((resolve) => setImmediate(resolve));
}
cache.close();
