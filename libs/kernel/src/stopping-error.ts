/** Why something is not done: its program stops. Nothing went wrong, and whoever asked asks again. */
export class StoppingError extends Error {
  override readonly name = 'StoppingError';

  constructor() {
    super('the service stops');
  }
}
