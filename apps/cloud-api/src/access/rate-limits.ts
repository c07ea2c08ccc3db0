import rateLimit from '@fastify/rate-limit';
import { AppError, errorMessage, type Logger } from '@sightline/kernel';
import { principalOf, type RequestCaller } from '@sightline/rest-server';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Redis } from 'ioredis';

import type { CloudApiConfig } from '../config.js';
import { CONFIG, LOGGER } from '../platform/tokens.js';
import { defaultRequestLimits } from './access-config.js';

const WINDOW_MS = 60_000;
/** How long an answer of Redis is waited for before a request is let through uncounted, ms. */
const REDIS_MS = 500;

type Limiter = ReturnType<FastifyInstance['createRateLimit']>;
type Counted = Exclude<Awaited<ReturnType<Limiter>>, { isAllowed: true }>;

/**
 * Counts the requests of each caller and of each tenant, by the minute. What photos cost is shared out elsewhere
 * (`FairShare`, `Turnstile`): a limit of requests says nothing of their size. With Redis all processes count together,
 * without it each counts for itself.
 */
@Injectable()
export class RateLimits implements OnModuleInit, OnApplicationShutdown {
  readonly #redis: Redis | undefined;
  #limiters: readonly Limiter[] = [];

  constructor(
    private readonly host: HttpAdapterHost,
    @Inject(CONFIG) private readonly config: CloudApiConfig,
    @Inject(LOGGER) log: Logger,
  ) {
    this.#redis = config.redisUrl === undefined ? undefined : openRedis(config.redisUrl, log);
  }

  onModuleInit(): void {
    const redis = this.#redis && { redis: this.#redis };
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    // Without Redis for a while requests go through uncounted: a limit is no reason to be down. Not awaited: that would
    // boot the server before Nest has set its error handler, which its routes would then not have.
    void server.register(rateLimit, { global: false, skipOnError: true, timeWindow: WINDOW_MS, ...redis });
  }

  /** Made at the first request: by then the plugin is there. */
  #made(): readonly Limiter[] {
    if (this.#limiters.length > 0) return this.#limiters;
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    const limits = this.config.access?.requestsPerMinute ?? defaultRequestLimits;
    const limiter = (max: number, keyOf: (caller: RequestCaller) => string): Limiter =>
      server.createRateLimit({ max, timeWindow: WINDOW_MS, keyGenerator: (request) => keyOf(callerOf(request)) });
    this.#limiters = [
      limiter(limits.perTenant, ({ tenantId }) => `tenant:${tenantId}`),
      limiter(limits.perCaller, ({ tenantId, actor }) => `caller:${tenantId}:${actor}`),
    ];
    return this.#limiters;
  }

  /**
   * Counts a request, and says by headers how many more there may be (draft-ietf-httpapi-ratelimit-headers-07).
   *
   * @throws AppError `REQUEST.RATE_LIMITED` (retryable, says when)
   */
  async count(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (principalOf(request)?.kind !== 'tenant') return;
    const counts: Counted[] = [];
    for (const limiter of this.#made()) {
      const counted = await limiter(request);
      if (!counted.isAllowed) counts.push(counted);
    }
    const [tightest] = counts.sort((a, b) => a.remaining - b.remaining);
    if (tightest === undefined) return;
    void reply.headers({
      'ratelimit-limit': tightest.max,
      'ratelimit-remaining': tightest.remaining,
      'ratelimit-reset': tightest.ttlInSeconds,
    });
    if (!counts.some(({ isExceeded }) => isExceeded)) return;
    throw new AppError('REQUEST.RATE_LIMITED', 'More requests than a minute allows. Try again.', {
      retryable: true,
      details: { retryAfterSeconds: tightest.ttlInSeconds },
    });
  }

  onApplicationShutdown(): void {
    this.#redis?.disconnect();
  }
}

function openRedis(url: string, log: Logger): Redis {
  const redis = new Redis(url, {
    ...{ connectTimeout: REDIS_MS, commandTimeout: REDIS_MS, maxRetriesPerRequest: 0, enableOfflineQueue: false },
  });
  redis.on('error', (error) => log.warn({ reason: errorMessage(error) }, 'requests are not counted: no Redis'));
  return redis;
}

function callerOf(request: FastifyRequest): RequestCaller {
  const principal = principalOf(request);
  if (principal?.kind !== 'tenant') throw new AppError('SERVICE.INTERNAL', 'A request of nobody is not counted.');
  return principal.caller;
}
