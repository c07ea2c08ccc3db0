import { request, type RequestOptions } from 'node:http';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';

import { errorMessage, silentLogger } from '@sightline/kernel';

import type { EdgeAgentConfig } from '../config/config.js';
import { loadEdgeAgentConfig } from '../config/load-config.js';
import { exitCodes } from './exit-codes.js';

const TIMEOUT_MS = 5000;

/** Asks the agent that runs on this box how it is; for whatever cannot speak HTTP to a socket. */
export async function health(options: { readonly config: string; readonly ready?: boolean }): Promise<void> {
  const config = loadEdgeAgentConfig(options.config, process.env, silentLogger);
  const path = options.ready === true ? '/health/ready' : '/health/live';
  try {
    const { status, body } = await ask({ ...addressOf(config), path });
    process.stdout.write(body);
    if (status !== 200) process.exitCode = exitCodes.failed;
  } catch (error) {
    console.error(`The agent does not answer: ${errorMessage(error)}`);
    process.exitCode = exitCodes.unavailable;
  }
}

function addressOf({ localApi, dataDirectory }: EdgeAgentConfig): RequestOptions {
  if (localApi.port === undefined) return { socketPath: resolve(dataDirectory, localApi.socket ?? 'agent.sock') };
  // An agent that listens everywhere is asked from here.
  const host = ['0.0.0.0', '::'].includes(localApi.host) ? '127.0.0.1' : localApi.host;
  return { host, port: localApi.port };
}

function ask(options: RequestOptions): Promise<{ readonly status: number | undefined; readonly body: string }> {
  return new Promise((done, fail) => {
    const asked = request({ ...options, timeout: TIMEOUT_MS }, (response) => {
      text(response).then((body) => done({ status: response.statusCode, body }), fail);
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer in five seconds')));
    asked.once('error', fail);
    asked.end();
  });
}
