/** What a job carries: ids and numbers. Never personal data: a queue is no place where an erasure would look. */
export type JobData = Readonly<Record<string, string | number | boolean | null>>;

/** Nothing to carry: what scheduled jobs are given. */
export type NoData = Readonly<Record<string, never>>;

/** A kind of job, known by its name in every process and version that shares the queue. */
export interface JobKind<Data extends JobData> {
  readonly name: string;
  /** Reads what another process, perhaps of another version, has put into the queue; throws when it does not fit. */
  readonly parse: (data: unknown) => Data;
}

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Defines a kind of job.
 *
 * @param name lower-case letters, digits and hyphens: it names the queue
 * @param parse of a zod schema, usually `(data) => schema.parse(data)`
 */
export function defineJob<Data extends JobData>(name: string, parse: (data: unknown) => Data): JobKind<Data> {
  if (!NAME.test(name)) throw new TypeError(`"${name}" is no name of a queue`);
  return { name, parse };
}

/** Defines a kind of job that carries nothing, such as one that runs by schedule. */
export function defineTrigger(name: string): JobKind<NoData> {
  return defineJob<NoData>(name, () => ({}));
}
