import { AppError } from '@sightline/kernel';
import type { FastifyRequest } from 'fastify';

/**
 * Does work that nobody needs once the client has gone.
 *
 * @param work given a signal that fires with `REQUEST.ABORTED` when the connection closes
 */
export async function whileConnected<T>(
  { raw: { socket } }: FastifyRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const gone = new AbortController();
  const leave = (): void => gone.abort(new AppError('REQUEST.ABORTED', 'The client closed the connection.'));
  socket.once('close', leave);
  try {
    return await work(gone.signal);
  } finally {
    socket.off('close', leave);
  }
}
