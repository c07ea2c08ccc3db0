import type { FastifyInstance } from 'fastify';

/** How long a request that is under way may take once the server closes, ms: below a supervisor's usual 10 s. */
const GRACE_MS = 5_000;
/** How often a closing server looks for connections whose last answer is out, ms. */
const LOOK_MS = 50;

/**
 * Lets a closing server answer the requests that are under way, and not wait for more than that: neither for clients
 * that keep their connection for the next request, nor for one that reads its answer slowly or never ends.
 */
export function endRequestsWithServer(fastify: FastifyInstance): void {
  const { server } = fastify;
  fastify.addHook('preClose', async () => {
    if (!server.listening) return;
    // Node closes idle connections once, when the server begins to close; those that answer then become idle later.
    const look = setInterval(() => server.closeIdleConnections(), LOOK_MS);
    const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    server.once('close', () => {
      clearInterval(look);
      clearTimeout(cut);
    });
  });
}
