import { createParser } from 'eventsource-parser';

import { rest } from '@sightline/contracts';
import { AppError, type ErrorCode } from '@sightline/kernel';
import { z } from 'zod';

const REQUEST_TIMEOUT_MS = 60_000;

/** The part of the cloud's REST interface that the demo uses, as any other client would use it. */
export class CloudClient {
  readonly #baseUrl: string;
  readonly #apiKey: string;

  constructor(baseUrl: string, apiKey: string) {
    this.#baseUrl = baseUrl;
    this.#apiKey = apiKey;
  }

  async createPerson(person: rest.CreatePerson): Promise<rest.Person> {
    return rest.personSchema.parse(await this.#json('POST', '/v1/people', person));
  }

  /** Enrols one photo (JPEG bytes) of one person. */
  async enrolFace(personId: string, photo: Uint8Array): Promise<rest.EnrolledFace> {
    const path = `/v1/people/${personId}/faces`;
    const response = await this.#fetch('POST', path, { body: new Uint8Array(photo), contentType: 'image/jpeg' });
    return rest.enrolledFaceSchema.parse(await response.json());
  }

  async createDevice(device: rest.CreateDevice): Promise<rest.Provisioning> {
    return rest.provisioningSchema.parse(await this.#json('POST', '/v1/devices', device));
  }

  async devices(): Promise<readonly rest.Device[]> {
    return rest.devicePageSchema.parse(await this.#json('GET', '/v1/devices?limit=500')).items;
  }

  /** All sightings, newest first. */
  async *sightings(): AsyncIterable<rest.Sighting> {
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: rest.SightingPage = rest.sightingPageSchema.parse(
        await this.#json('GET', `/v1/sightings?limit=200${query}`),
      );
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** Sightings as they are committed, until the signal fires or the stream ends. */
  async *liveSightings(signal: AbortSignal): AsyncIterable<rest.Sighting> {
    const response = await this.#fetch('GET', '/v1/sightings/live', { signal });
    if (!response.body) return;
    const arrived: rest.Sighting[] = [];
    const parser = createParser({
      onEvent: ({ data }) => {
        arrived.push(rest.sightingSchema.parse(JSON.parse(data)));
      },
    });
    const text = new TextDecoder();
    for await (const chunk of response.body) {
      parser.feed(text.decode(chunk as Uint8Array, { stream: true }));
      yield* arrived.splice(0);
    }
  }

  async #json(method: string, path: string, body?: unknown): Promise<unknown> {
    const options = body === undefined ? {} : { body: JSON.stringify(body), contentType: 'application/json' };
    const response = await this.#fetch(method, path, options);
    return response.json();
  }

  async #fetch(
    method: string,
    path: string,
    options: { body?: string | Uint8Array<ArrayBuffer>; contentType?: string; signal?: AbortSignal } = {},
  ): Promise<Response> {
    const response = await fetch(new URL(path, this.#baseUrl), {
      method,
      headers: {
        authorization: `Bearer ${this.#apiKey}`,
        ...(options.contentType && { 'content-type': options.contentType }),
      },
      ...(options.body && { body: options.body }),
      signal: options.signal ?? AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok) throw await problemOf(response, `${method} ${path}`);
    return response;
  }
}

async function problemOf(response: Response, request: string): Promise<AppError> {
  const problem = rest.problemSchema
    .or(z.unknown().transform(() => undefined))
    .parse(await response.json().catch(() => undefined));
  const code = (problem?.code ?? 'SERVICE.INTERNAL') as ErrorCode;
  return new AppError(code, `${request}: ${problem?.detail ?? `status ${response.status}`}`, {
    retryable: problem?.retryable ?? response.status >= 500,
  });
}
