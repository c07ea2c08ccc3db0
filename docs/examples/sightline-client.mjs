// A small client of the REST interface: Node 20 and nothing else. Copy it, and change what you need.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the service answers when it does not do what it was asked: a problem document (RFC 9457). */
export class Problem extends Error {
  constructor({ code, detail, retryable }) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.retryable = retryable;
  }
}

export class SightlineClient {
  #url;
  #headers;

  constructor({ url = 'http://127.0.0.1:8080', apiKey }) {
    this.#url = url;
    this.#headers = { authorization: `Bearer ${apiKey}` };
  }

  createPerson(person) {
    const headers = { 'content-type': 'application/json' };
    return this.#request('/v1/people', { method: 'POST', headers, body: JSON.stringify(person) });
  }

  removePerson(id) {
    return this.#request(`/v1/people/${id}`, { method: 'DELETE' });
  }

  async enrol(personId, photo) {
    return this.#request(`/v1/people/${personId}/faces`, { method: 'POST', body: await formOf({ photo }) });
  }

  async identify(photo) {
    return this.#request('/v1/identify', { method: 'POST', body: await formOf({ photo }) });
  }

  async embeddings(photo, { codec = 'float16' } = {}) {
    return this.#request(`/v1/embeddings?codec=${codec}`, { method: 'POST', body: await formOf({ photo }) });
  }

  /** Compares a photo with one of: `reference` (a photo's path), `personId`, `template` (of `embeddings`). */
  async verify(photo, { reference, personId, template }, options = {}) {
    const query = new URLSearchParams(options);
    const body = await formOf({ photo, reference }, { personId, template: template && JSON.stringify(template) });
    return this.#request(`/v1/verify?${query}`, { method: 'POST', body });
  }

  /** Sightings as they are decided. It is news and no log: a client that was away reads GET /v1/sightings. */
  async *liveSightings(signal) {
    const response = await fetch(new URL('/v1/sightings/live', this.#url), { headers: this.#headers, signal });
    if (!response.ok) throw new Problem(await response.json());
    let rest = '';
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length));
    }
  }

  /** Sends again what may succeed later (429, 503), when the service says that it may. */
  async #request(path, { headers, ...init }, attempts = 5) {
    const response = await fetch(new URL(path, this.#url), { ...init, headers: { ...this.#headers, ...headers } });
    if (response.ok) return response.status === 204 ? undefined : response.json();
    const problem = new Problem(await response.json());
    if (!problem.retryable || attempts <= 1) throw problem;
    await sleep(Number(response.headers.get('retry-after') ?? 1) * 1000);
    return this.#request(path, { headers, ...init }, attempts - 1);
  }
}

/** A form of files by path and of fields; those that are undefined are left out. */
async function formOf(files, fields = {}) {
  const form = new FormData();
  for (const [name, path] of Object.entries(files)) {
    if (path !== undefined) form.append(name, new Blob([await readFile(path)]), name);
  }
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.append(name, value);
  return form;
}
