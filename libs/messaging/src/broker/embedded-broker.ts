import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

import { channels } from '@sightline/contracts';
import { AppError, errorMessage, isAppError, silentLogger, type Logger } from '@sightline/kernel';
import { Aedes, type Client } from 'aedes';

import { AccessControl, type Authenticate } from './access-control.js';
import { PacketLengthMeter } from './packet-length.js';

export interface EmbeddedBrokerOptions {
  /** Address to listen on. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly authenticate: Authenticate;
  readonly log?: Logger;
}

export interface EmbeddedBroker {
  /** `mqtt://host:port` */
  readonly url: string;
  readonly port: number;
  /** Cuts every connection and forgets everything. */
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A client that reads nothing for so long is cut off: until then it holds up what others are sent. */
const DRAIN_TIMEOUT_MS = 20_000;
/** Topic, packet identifier and their lengths, on top of the payload. */
const HEADER_ALLOWANCE_BYTES = 1024;
/** A CONNECT has client id, credentials and the will, before anybody is known. */
const CONNECT_LIMIT_BYTES = channels.status.maximumBytes + 4 * 1024;
const PACKET_LIMIT_BYTES =
  Math.max(...Object.values(channels).map(({ maximumBytes }) => maximumBytes)) + HEADER_ALLOWANCE_BYTES;

/** Ends of a connection that say nothing about what its client sent. */
const transportFailures = new Set([
  'keep alive timeout',
  'connect did not arrive in time',
  'drain timeout',
  'connection closed',
]);

/**
 * Cuts a connection as soon as a packet announces more bytes than any channel allows, before they are buffered.
 * Bytes are seen when the broker reads them: `data` is emitted by its own `read()`.
 */
function limitPackets(socket: Socket, log: Logger): void {
  const meter = new PacketLengthMeter();
  socket.on('data', (chunk: Buffer) => {
    const excess = meter.feed(chunk, (packet) => (packet === 0 ? CONNECT_LIMIT_BYTES : PACKET_LIMIT_BYTES));
    if (excess === undefined) return;
    log.warn({ code: 'MQTT.MESSAGE_TOO_LARGE', bytes: excess }, 'a packet over the limit was refused');
    socket.destroy();
  });
}

function logClientError(log: Logger, client: Client, error: Error): void {
  const clientId = client.id;
  if (isAppError(error)) {
    log.warn({ code: error.code, clientId, details: error.details }, error.message);
  } else if ('code' in error || transportFailures.has(error.message)) {
    log.debug({ code: 'MQTT.CONNECTION_LOST', clientId, reason: error.message }, 'a connection was lost');
  } else if (!('errorCode' in error)) {
    log.warn({ code: 'MQTT.MALFORMED_MESSAGE', clientId, reason: error.message }, 'a client broke the protocol');
  }
}

/**
 * Starts an MQTT 3.1.1 broker in this process, which lets every client do what the contract gives it and no
 * more. What breaks the contract is logged with its code and costs the client its connection (a subscription:
 * its grant); the broker runs on. Sessions and retained messages live in memory: what must survive is sent
 * again by its owner.
 *
 * @throws AppError `MQTT.CANNOT_LISTEN` when the address is taken or not this machine's
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const log = options.log ?? silentLogger;
  const access = new AccessControl(options.authenticate, log);
  const aedes = await Aedes.createBroker({
    connectTimeout: CONNECT_TIMEOUT_MS,
    drainTimeout: DRAIN_TIMEOUT_MS,
    ...access.hooks(),
  });
  aedes.on('clientError', (client, error) => logClientError(log, client, error));
  aedes.on('connectionError', (client, error) => logClientError(log, client, error));
  aedes.on('clientDisconnect', (client) => access.forget(client));

  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    aedes.handle(socket);
    limitPackets(socket, log);
  });
  try {
    server.listen(options.port, options.host);
    await once(server, 'listening');
  } catch (cause) {
    await closeBroker(aedes);
    throw new AppError('MQTT.CANNOT_LISTEN', errorMessage(cause), { cause });
  }
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const ended = once(server, 'close');
    server.close();
    await closeBroker(aedes);
    for (const socket of sockets) socket.destroy();
    await ended;
  };
  return { url: `mqtt://${host}:${port}`, port, close: () => (closed ??= close()) };
}

function closeBroker(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(resolve));
}
