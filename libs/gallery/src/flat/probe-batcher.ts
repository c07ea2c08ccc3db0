const largestBatch = 32;

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Gathers questions that arrive while another batch is being answered into the next one: alone a probe waits for
 * nothing, under load a scan serves up to 32.
 *
 * Invariants: one batch at a time, in order of arrival; an answer is for a batch that was sent after the question
 * was asked.
 */
export class ProbeBatcher<Question, Answer> {
  readonly #answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  readonly #waiting: Waiting<Question, Answer>[] = [];
  #running = false;

  constructor(answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>) {
    this.#answerAll = answerAll;
  }

  /** Rejects with the signal's reason once it is aborted; a question under way is answered to nobody. */
  async ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted();
    let forget = (): void => undefined;
    const answer = new Promise<Answer>((resolve, reject) => {
      const waiting: Waiting<Question, Answer> = { question, resolve, reject };
      const abort = (): void => {
        const place = this.#waiting.indexOf(waiting);
        if (place >= 0) this.#waiting.splice(place, 1);
        waiting.reject(signal?.reason);
      };
      forget = () => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
    });
    if (!this.#running) void this.#run();
    return answer.finally(forget);
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Questions of the same turn of the event loop share a batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#answer(this.#waiting.splice(0, largestBatch));
    this.#running = false;
  }

  async #answer(batch: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#answerAll(batch.map(({ question }) => question));
      batch.forEach(({ resolve, reject }, index) => {
        const answer = answers[index];
        if (answer === undefined) reject(new TypeError('a probe was left without an answer'));
        else resolve(answer);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
