import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** One value of a metric. */
export interface MetricSample<Label extends string = never> {
  readonly value: number;
  readonly labels?: Readonly<Record<Label, string>>;
}

/** A metric whose values are looked up when somebody asks. */
export interface ReadMetric<Label extends string> {
  /** In the Prometheus manner: `sightline_outbox_records`, `…_total` for what only grows, `…_seconds`, `…_bytes`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
  /** One that fails leaves the metric without values for this time, or with NaN where it has no labels. */
  readonly read: () => Iterable<MetricSample<Label>> | Promise<Iterable<MetricSample<Label>>>;
}

export interface HistogramMetric<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
  /** Upper bounds, rising. */
  readonly buckets: readonly number[];
}

/** What a scraper gets. */
export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/**
 * The metrics of one program, in Prometheus' text format. Counters and gauges are read from what the program knows
 * anyway, so that nothing is counted twice; only distributions are kept here. Labels are never personal data, and
 * never without bound: cameras, stages, codes.
 */
export class Metrics {
  readonly #registry = new Registry();

  /** A value that goes up and down. */
  gauge<Label extends string = never>({ name, help, labels = [], read }: ReadMetric<Label>): void {
    const registers = [this.#registry];
    const gauge = new Gauge({
      ...{ name, help, registers, labelNames: [...labels] },
      collect: async () => {
        gauge.reset();
        for (const { value, labels: of = {} } of await values(read, labels)) gauge.set(of, value);
      },
    });
  }

  /** A value that only grows while the program runs. */
  counter<Label extends string = never>({ name, help, labels = [], read }: ReadMetric<Label>): void {
    const registers = [this.#registry];
    const counter = new Counter({
      ...{ name, help, registers, labelNames: [...labels] },
      collect: async () => {
        counter.reset();
        for (const { value, labels: of = {} } of await values(read, labels)) counter.inc(of, value);
      },
    });
  }

  /** @returns what takes an observation */
  histogram<Label extends string = never>(
    options: HistogramMetric<Label>,
  ): (value: number, labels: Readonly<Record<Label, string>>) => void {
    const { name, help, labels = [], buckets } = options;
    const registers = [this.#registry];
    const histogram = new Histogram({ name, help, registers, labelNames: [...labels], buckets: [...buckets] });
    return (value, of) => histogram.observe(of, value);
  }

  async expose(): Promise<Exposition> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

async function values<Label extends string>(
  read: ReadMetric<Label>['read'],
  labels: readonly Label[],
): Promise<Iterable<MetricSample<Label>>> {
  try {
    return await read();
  } catch {
    // A database that is away must not take the other metrics along: theirs are then the ones that are looked at.
    // Without labels there is always a value: zero would be a lie.
    return labels.length === 0 ? [{ value: Number.NaN }] : [];
  }
}
