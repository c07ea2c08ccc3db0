import { sql, type SQL } from 'drizzle-orm';

import { binsOf, DWELL_BINS, QUALITY_BINS, SCORE_BINS } from './bins.js';

/** Outcomes in the order of `quarter_counts`, which are also the names of the columns that count them. */
export const OUTCOMES = ['identified', 'ambiguous', 'unknown', 'refused'] as const;
export const QUARTERS = 4;

/** Histograms of an hour or a day, by column. */
export const HISTOGRAMS = {
  identified_scores: SCORE_BINS,
  other_scores: SCORE_BINS,
  qualities: QUALITY_BINS,
  dwells: DWELL_BINS,
} as const;
export type HistogramColumn = keyof typeof HISTOGRAMS;
export const histogramColumns = Object.keys(HISTOGRAMS) as readonly HistogramColumn[];

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const list = (parts: readonly SQL[]): SQL => sql.join([...parts], sql`, `);
const array = (type: 'integer' | 'bigint', elements: readonly SQL[]): SQL =>
  sql`ARRAY[${list(elements)}]::${sql.raw(type)}[]`;

/** Columns that are the same in hours and days. */
export const sharedColumns = [...OUTCOMES, 'dwell_ms', ...histogramColumns] as const;
export const hourColumns = [...sharedColumns, 'quarter_counts', 'quarter_dwell_ms'] as const;

export const columnList = (columns: readonly string[], of?: string): SQL =>
  list(columns.map((column) => (of === undefined ? sql.raw(column) : sql.raw(`${of}.${column}`))));

/** `a = excluded.a, …` */
export const overwritten = (columns: readonly string[]): SQL =>
  list(columns.map((column) => sql.raw(`${column} = excluded.${column}`)));

const evenBin = (
  value: SQL,
  bins: number,
): SQL => sql`least(greatest(floor(${value} * ${sql.raw(String(bins))})::int, 0),
  ${sql.raw(String(bins - 1))})`;

/** What of a sighting `s`, its decision `i` and its `touched.hour` is counted: what the aggregates below look at. */
export const measures: SQL = sql`
  i.outcome, floor(extract(epoch FROM s.first_seen_at - touched.hour) / 900)::int AS quarter,
  (extract(epoch FROM s.last_seen_at - s.first_seen_at) * 1000)::bigint AS dwell_ms,
  ${evenBin(sql`i.score`, binsOf(SCORE_BINS))} AS score_bin, ${evenBin(sql`s.quality`, binsOf(QUALITY_BINS))} AS quality_bin,
  width_bucket(extract(epoch FROM s.last_seen_at - s.first_seen_at)::float8,
    ARRAY[${sql.raw(DWELL_BINS.edges.join(', '))}]::float8[]) AS dwell_bin`;

const countWhere = (condition: SQL): SQL => sql`count(*) FILTER (WHERE ${condition})`;
const histogram = (bins: number, isIn: (bin: SQL) => SQL): SQL =>
  array(
    'integer',
    range(bins).map((bin) => countWhere(isIn(sql.raw(String(bin))))),
  );
const isOutcome = (outcome: string): SQL => sql.raw(`outcome = '${outcome}'`);

/** Aggregates over {@link measures}, in the order of {@link hourColumns}. */
export const hourAggregates: SQL = list([
  ...OUTCOMES.map((outcome) => sql`${countWhere(isOutcome(outcome))} AS ${sql.raw(outcome)}`),
  sql`sum(dwell_ms) AS dwell_ms`,
  sql`${histogram(binsOf(SCORE_BINS), (bin) => sql`score_bin = ${bin} AND outcome = 'identified'`)} AS identified_scores`,
  sql`${histogram(binsOf(SCORE_BINS), (bin) => sql`score_bin = ${bin} AND outcome <> 'identified'`)} AS other_scores`,
  sql`${histogram(binsOf(QUALITY_BINS), (bin) => sql`quality_bin = ${bin}`)} AS qualities`,
  sql`${histogram(binsOf(DWELL_BINS), (bin) => sql`dwell_bin = ${bin}`)} AS dwells`,
  sql`${array(
    'integer',
    range(QUARTERS).flatMap((quarter) =>
      OUTCOMES.map((outcome) => countWhere(sql`quarter = ${sql.raw(String(quarter))} AND ${isOutcome(outcome)}`)),
    ),
  )} AS quarter_counts`,
  sql`${array(
    'bigint',
    range(QUARTERS).map(
      (quarter) => sql`coalesce(sum(dwell_ms) FILTER (WHERE quarter = ${sql.raw(String(quarter))}), 0)`,
    ),
  )} AS quarter_dwell_ms`,
]);

const addedUp = (column: HistogramColumn): SQL =>
  array(
    'integer',
    range(binsOf(HISTOGRAMS[column])).map((bin) => sql.raw(`sum(${column}[${bin + 1}])`)),
  );

/** Adds up rows of hours or days, in the order of {@link sharedColumns}. */
export const sharedSums: SQL = list([
  ...[...OUTCOMES, 'dwell_ms'].map((column) => sql.raw(`sum(${column})::bigint AS ${column}`)),
  ...histogramColumns.map((column) => sql`${addedUp(column)} AS ${sql.raw(column)}`),
]);
