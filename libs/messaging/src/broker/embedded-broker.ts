import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

import { channels } from '@sightline/contracts';
import { AppError, errorMessage, isAppError, silentLogger, type Logger } from '@sightline/kernel';
import { Aedes, type Client } from 'aedes';

import { AccessControl, type Authenticate, type AuthenticateCertificate } from './access-control.js';
import { PacketLengthMeter } from './packet-length.js';

export interface EmbeddedBrokerOptions {
  /** Address to listen on. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly authenticate: Authenticate;
  /** For clients of listeners with TLS. Default: nobody. */
  readonly authenticateCertificate?: AuthenticateCertificate;
  readonly log?: Logger;
}

export interface TlsListenerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** PEM, as are the others. */
  readonly certificate: string;
  readonly privateKey: string;
  /** Who signs the clients' certificates. */
  readonly authority: string;
}

export interface EmbeddedBroker {
  /** `mqtt://host:port` */
  readonly url: string;
  readonly port: number;
  /**
   * Listens with TLS too, for clients that show a certificate of the authority: no password is asked for.
   *
   * @returns where, `mqtts://host:port`
   * @throws AppError `MQTT.CANNOT_LISTEN` when the address is taken or certificate and key cannot be used
   */
  listenTls(options: TlsListenerOptions): Promise<{ readonly url: string; readonly port: number }>;
  /** Cuts the connections of a client id at once. Its credentials decide whether it comes back. */
  disconnect(clientId: string): void;
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
  const access = new AccessControl(options.authenticate, log, options.authenticateCertificate);
  const aedes = await Aedes.createBroker({
    connectTimeout: CONNECT_TIMEOUT_MS,
    drainTimeout: DRAIN_TIMEOUT_MS,
    ...access.hooks(),
  });
  aedes.on('clientError', (client, error) => logClientError(log, client, error));
  aedes.on('connectionError', (client, error) => logClientError(log, client, error));
  aedes.on('clientDisconnect', (client) => access.forget(client));

  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    aedes.handle(socket);
    limitPackets(socket, log);
  };
  const open = async (server: Server, host: string, port: number): Promise<number> => {
    const listening = await listen(server, host, port);
    servers.push(server);
    return listening;
  };
  let port: number;
  try {
    port = await open(createServer({ noDelay: true }, serve), options.host, options.port);
  } catch (error) {
    await closeBroker(aedes);
    throw error;
  }
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const ended = servers.map((server) => once(server, 'close'));
    for (const server of servers) server.close();
    await closeBroker(aedes);
    for (const socket of sockets) socket.destroy();
    await Promise.all(ended);
  };
  return {
    url: `mqtt://${bracketed(options.host)}:${port}`,
    port,
    listenTls: async (tls) => {
      const listening = await open(tlsServer(tls, serve, log), tls.host, tls.port);
      return { url: `mqtts://${bracketed(tls.host)}:${listening}`, port: listening };
    },
    disconnect: (clientId) => access.disconnect(clientId),
    close: () => (closed ??= close()),
  };
}

/** Asks for a certificate and lets everybody finish the handshake: who showed none, or a bad one, is told by CONNACK. */
function tlsServer(
  { certificate, privateKey, authority }: TlsListenerOptions,
  serve: (socket: Socket) => void,
  log: Logger,
): Server {
  try {
    const server = createTlsServer(
      {
        cert: certificate,
        key: privateKey,
        ca: authority,
        requestCert: true,
        rejectUnauthorized: false,
        noDelay: true,
      },
      serve,
    );
    server.on('tlsClientError', (error) => {
      log.debug({ code: 'MQTT.CONNECTION_LOST', reason: error.message }, 'a TLS handshake failed');
    });
    return server;
  } catch (cause) {
    throw new AppError('MQTT.CANNOT_LISTEN', 'Certificate and key of the listener cannot be used.', { cause });
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    throw new AppError('MQTT.CANNOT_LISTEN', errorMessage(cause), { cause });
  }
  return (server.address() as AddressInfo).port;
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

function closeBroker(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => aedes.close(resolve));
}
