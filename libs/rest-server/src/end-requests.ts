import { AppError } from '@sightline/kernel';
import type { FastifyInstance } from 'fastify';

import { problemOf, sendProblem } from './problem.js';

/** How long a request that is under way may take once the server closes, ms: below a supervisor's usual 10 s. */
const GRACE_MS = 5_000;
/** How often a closing server looks for connections whose last answer is out, ms. */
const LOOK_MS = 50;

/**
 * Lets a closing server answer the requests that are under way, and not wait for more than that: neither for clients
 * that keep their connection for the next request, nor for one that reads its answer slowly or never ends. A request
 * that still comes then is told to try again. Needs Fastify's own `return503OnClosing` off, whose answer is no problem
 * document.
 */
export function endRequestsWithServer(fastify: FastifyInstance): void {
  const { server } = fastify;
  let closing = false;
  fastify.addHook('onRequest', async (_request, reply) => {
    if (!closing) return;
    await sendProblem(reply, problemOf(new AppError('SERVICE.UNAVAILABLE', 'The service stops.', { retryable: true })));
    return reply;
  });
  fastify.addHook('preClose', async () => {
    closing = true;
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
