import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { Clock, KeyId, SightingId, TenantId } from '@sightline/kernel';
import { cosine, searchPoint, type FalseMatchTarget, type SearchPoint } from '@sightline/matching';
import { decodeTemplate, type Template } from '@sightline/template-protection';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';

import { Turnstile } from '../http/turnstile.js';
import { ProbeKeeping } from '../identification/probe-keeping.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { Releases } from '../releases/releases.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { BestScores, type Scored } from './best-scores.js';
import { countProbes, readProbes, type ProbeFilter, type SearchableProbe } from './searchable-probes.js';

/** Sightings that a search keeps. */
export const BEST = 1000;
/** Probes that one search compares at most, the newest. */
const MOST_PROBES = 250_000;
/** How long a search looks on, ms: what is left then it says. */
const LONGEST_MS = 30_000;
/** Probes that are opened at once: some milliseconds in which this process does nothing else. */
const BATCH = 1000;
/** Searches at once: each takes a good part of a core. Tenants take turns. */
const PLACES = 1;
const WAITING = 32;

export interface ProbeQuestion {
  readonly tenantId: TenantId;
  /** Of one person, each under one of the tenant's live keys. */
  readonly templates: readonly Template[];
  readonly fields: ProbeFilter['fields'];
  readonly except: SightingId | undefined;
  readonly target: FalseMatchTarget;
}

export interface ProbeAnswer {
  /** Best first, {@link BEST} at most. */
  readonly best: readonly Scored<SightingId>[];
  readonly found: number;
  readonly searched: number;
  readonly notSearched: rest.SearchFacts['notSearched'];
  readonly point: SearchPoint;
  /** FPIR that was asked for; null: only comparisons count. */
  readonly falsePositiveRate: number | null;
}

type VectorsByKey = ReadonlyMap<KeyId, readonly Float32Array[]>;

/**
 * Compares a face with the probes that are kept of sightings. They lie sealed and change by the second, so that they are
 * opened in batches for each search, and forgotten: docs/photo-search.md has what that costs.
 */
@Injectable()
export class ProbeSearch implements BeforeApplicationShutdown {
  readonly #turns: Turnstile;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly keeping: ProbeKeeping,
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
  ) {
    this.#turns = new Turnstile({ places: PLACES, waiting: WAITING, clock });
  }

  beforeApplicationShutdown(): void {
    this.#turns.close();
  }

  /** @throws AppError `REQUEST.RATE_LIMITED` (retryable), `RELEASE.UNAVAILABLE`; the signal's reason */
  search(question: ProbeQuestion, signal: AbortSignal | undefined): Promise<ProbeAnswer> {
    return this.#turns.pass(() => this.#search(question, signal), { client: question.tenantId, signal });
  }

  async #search(question: ProbeQuestion, signal: AbortSignal | undefined): Promise<ProbeAnswer> {
    const { tenantId, templates, target, fields, except } = question;
    const { manifest, recogniser } = this.releases.current();
    const vectors = await this.#vectors(tenantId, templates);
    const filter = {
      ...{ tenantId, fields, except, now: new Date(this.clock.wallMs()) },
      ...{ spaceId: recogniser.spaceId, keyIds: [...vectors.keys()] },
    };
    const counts = new Map(await countProbes(this.database, filter));
    const searchable = counts.get('searchable') ?? 0;
    counts.delete('searchable');
    const wanted = Math.min(searchable, MOST_PROBES);
    // Each of a person's templates is a chance of its own.
    const point = searchPoint(manifest.calibration.points, target, wanted * templates.length);
    const scan = await this.#scan(filter, vectors, { wanted, threshold: point.threshold, signal });
    if (searchable > wanted) counts.set('limit', searchable - wanted);
    if (scan.unreadable > 0) counts.set('unreadable', scan.unreadable);
    if (scan.left > 0) counts.set('time', scan.left);
    return {
      ...{ best: scan.best.list(), found: scan.best.offered, searched: scan.searched, point },
      falsePositiveRate: target.falsePositiveRate ?? null,
      notSearched: [...counts].flatMap(([reason, probes]) => (reason === 'searchable' ? [] : [{ reason, probes }])),
    };
  }

  /** What is searched with under each live key: that costs less than to take each probe to the current one. */
  async #vectors(tenantId: TenantId, templates: readonly Template[]): Promise<VectorsByKey> {
    const vectors = new Map<KeyId, readonly Float32Array[]>();
    for (const { keyId } of await this.templateKeys.live(tenantId)) {
      const under = await Promise.all(templates.map((one) => this.templateKeys.under(keyId, tenantId, one)));
      vectors.set(keyId, under.map(decodeTemplate));
    }
    return vectors;
  }

  async #scan(
    filter: ProbeFilter,
    vectors: VectorsByKey,
    {
      wanted,
      threshold,
      signal,
    }: { readonly wanted: number; readonly threshold: number; readonly signal: AbortSignal | undefined },
  ) {
    const best = new BestScores<SightingId>(BEST);
    const endMs = this.clock.monotonicMs() + LONGEST_MS;
    let [searched, unreadable] = [0, 0];
    let before: SightingId | undefined;
    while (searched + unreadable < wanted && this.clock.monotonicMs() < endMs) {
      signal?.throwIfAborted();
      const limit = Math.min(BATCH, wanted - searched - unreadable);
      const batch = await readProbes(this.database, filter, { before, limit });
      const scores = await this.#scores(filter.tenantId, batch, vectors);
      scores.forEach((score, index) => {
        const sightingId = batch[index]?.sightingId;
        if (score === undefined || sightingId === undefined) unreadable += 1;
        else if (score >= threshold) best.offer(sightingId, score);
      });
      searched += scores.filter((score) => score !== undefined).length;
      before = batch.at(-1)?.sightingId;
      // Some have expired since they were counted.
      if (batch.length < limit) return { best, searched, unreadable, left: 0 };
    }
    return { best, searched, unreadable, left: wanted - searched - unreadable };
  }

  async #scores(
    tenantId: TenantId,
    batch: readonly SearchableProbe[],
    vectors: VectorsByKey,
  ): Promise<readonly (number | undefined)[]> {
    const opened = await this.keeping.openAll(
      tenantId,
      batch.map(({ probe }) => probe),
    );
    return opened.map((template) => {
      const own = template && vectors.get(template.keyId);
      if (template === undefined || own === undefined) return undefined;
      const vector = decodeTemplate(template);
      return Math.max(...own.map((wanted) => cosine(wanted, vector)));
    });
  }
}
