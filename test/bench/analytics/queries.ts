import { DAYS, siteId, SITES } from './fill.js';
import { percentile, significant } from '../statistics.js';

/** How the console asks: at one site, four times of five, or over all; for a day, a week, a month or everything. */
const RANGES = [1, 7, 30, DAYS];
const BY_HOUR_DAYS = [1, 7, 30];
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York'];

type Fields = Readonly<Record<string, string>>;

/** Random numbers of a fixed seed (mulberry32): every run asks the same. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every query that the console's analytics makes, as paths. */
export function consoleQueries(now: Date): Readonly<Record<string, () => string>> {
  const random = randomNumbers(7);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const range = (lengths: readonly number[]): Fields => {
    const days = pick(lengths);
    const last = now.getTime() - (1 + Math.floor(random() * (DAYS - days + 1))) * 86_400_000;
    const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
    return { from: day(last - (days - 1) * 86_400_000), to: day(last), timeZone: pick(ZONES) };
  };
  const aSite = (): Fields => ({ siteId: siteId(Math.floor(random() * SITES)) });
  const place = (): Fields => (random() < 0.8 ? aSite() : {});
  const path = (name: string, ...fields: readonly Fields[]): string =>
    `v1/analytics/${name}?${new URLSearchParams(Object.assign({}, ...fields) as Record<string, string>).toString()}`;
  return {
    summary: () => path('summary', range(RANGES), place()),
    trafficByHour: () => path('traffic', range(BY_HOUR_DAYS), place(), { per: 'hour', limit: '500' }),
    trafficByDay: () => path('traffic', range(RANGES), place(), { per: 'day', limit: '500' }),
    cameras: () => path('traffic', range(RANGES), place(), { per: 'range', by: 'camera', limit: '500' }),
    people: () => path('people', range(RANGES), place()),
    occupancy: () => path('occupancy', range(BY_HOUR_DAYS), aSite(), { per: 'hour' }),
    distributions: () => path('distributions', range(RANGES), place()),
  };
}

export interface Times {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** @param ms not empty */
export function timesOf(ms: readonly number[]): Times {
  const at = (share: number): number => significant(percentile(ms, share));
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}
