import type { FastifyInstance } from 'fastify';

import type { CloudMetrics } from './cloud-metrics.js';

/** Has the metrics take note of every request that is answered. Before the server begins to listen. */
export function observeRequests(fastify: FastifyInstance, metrics: Pick<CloudMetrics, 'answered'>): void {
  fastify.addHook('onResponse', ({ method, routeOptions }, { statusCode, elapsedTime }, done) => {
    metrics.answered({ method, route: routeOptions.url, status: statusCode, seconds: elapsedTime / 1000 });
    done();
  });
}
