import { fleetFilter } from '@sightline/contracts';
import { AppError, errorMessage, isAppError, type Logger } from '@sightline/kernel';
import type { AedesOptions, AuthenticateError, Client } from 'aedes';
import { TLSSocket } from 'node:tls';

import {
  authorisePublish,
  authoriseSubscribe,
  mayReceive,
  mayUseClientId,
  usernameOf,
  type BrokerIdentity,
} from './authorisation.js';

/** Checks a password. Undefined for one that is wrong; it rejects when that cannot be known at present. */
export type Authenticate = (
  username: string,
  password: string,
  clientId: string,
) => Promise<BrokerIdentity | undefined>;

/** What a client has shown in its TLS handshake. An authority of the listener has signed it. */
export interface ClientCertificate {
  /** Of the subject. */
  readonly commonName: string;
  /** Hexadecimal, upper case. */
  readonly serialNumber: string;
  /** SHA-256 of the certificate, hexadecimal, without colons. */
  readonly fingerprint256: string;
}

/** Checks a certificate. Undefined for one that is not good (any more); it rejects when that cannot be known at present. */
export type AuthenticateCertificate = (certificate: ClientCertificate) => Promise<BrokerIdentity | undefined>;

type ConnectPacket = Parameters<NonNullable<AedesOptions['preConnect']>>[1];
/** What a will and a publish have in common. */
interface Publication {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos?: number;
  readonly retain?: boolean;
}

/** Return codes of CONNACK, MQTT 3.1.1, table 3.1. */
const SERVER_UNAVAILABLE = 3;
const BAD_USERNAME_OR_PASSWORD = 4;
const NOT_AUTHORISED = 5;

/** Filters whose messages are work for one consumer: two would both do it (this broker shares nothing out). */
const singleConsumerFilters: ReadonlySet<string> = new Set([fleetFilter('sighting')]);

class ConnectRefusal extends Error implements AuthenticateError {
  readonly returnCode: AuthenticateError['returnCode'];

  constructor(message: string, returnCode: number) {
    super(message);
    const code: unknown = returnCode; // aedes types it as an ambient const enum, whose members cannot be imported
    this.returnCode = code as AuthenticateError['returnCode'];
  }
}

function toAppError(error: unknown): AppError {
  return isAppError(error) ? error : new AppError('MQTT.REFUSED', 'The request was refused.', { cause: error });
}

function toAuthenticateError(error: unknown): AuthenticateError {
  return error instanceof ConnectRefusal ? error : new ConnectRefusal(errorMessage(error), SERVER_UNAVAILABLE);
}

/** The broker's hooks: who is connected, and what each may do. */
export class AccessControl {
  readonly #authenticate: Authenticate;
  readonly #authenticateCertificate: AuthenticateCertificate | undefined;
  readonly #log: Logger;
  readonly #clients = new Map<string, Set<Client>>();
  readonly #identities = new WeakMap<Client, BrokerIdentity>();
  readonly #wills = new WeakMap<Client, Publication>();
  readonly #consumers = new Map<string, Client>();

  constructor(authenticate: Authenticate, log: Logger, authenticateCertificate?: AuthenticateCertificate) {
    this.#authenticate = authenticate;
    this.#authenticateCertificate = authenticateCertificate;
    this.#log = log;
  }

  hooks(): AedesOptions {
    return {
      preConnect: (client, packet, callback) => {
        this.#rememberWill(client, packet);
        callback(null, true);
      },
      authenticate: (client, username, password, done) => {
        void this.#connect(client, username ?? '', password?.toString('utf8') ?? '').then(
          () => done(null, true),
          (error: unknown) => done(toAuthenticateError(error), false),
        );
      },
      authorizePublish: (client, packet, callback) => callback(this.#refusePublish(client, packet)),
      authorizeSubscribe: (client, subscription, callback) => {
        const refused = this.#refuseSubscribe(client, subscription.topic, subscription.qos);
        callback(null, refused ? null : subscription); // null is SUBACK's failure, 0x80
      },
      authorizeForward: (client, packet) => {
        const identity = this.#identities.get(client);
        return identity && mayReceive(identity, packet.topic) ? packet : null;
      },
    };
  }

  /** Cuts the connections of a client id, also those whose credentials are just being checked. */
  disconnect(clientId: string): void {
    for (const client of this.#clients.get(clientId) ?? []) {
      this.#identities.delete(client);
      client.close();
      client.conn.destroy();
    }
  }

  #remember(client: Client): void {
    const { id } = client;
    const clients = this.#clients.get(id) ?? new Set();
    this.#clients.set(id, clients.add(client));
    client.conn.once('close', () => {
      clients.delete(client);
      if (clients.size === 0 && this.#clients.get(id) === clients) this.#clients.delete(id);
    });
  }

  /** Frees what a client that has gone held. */
  forget(client: Client): void {
    for (const [filter, consumer] of this.#consumers) {
      if (consumer === client) this.#consumers.delete(filter);
    }
  }

  #rememberWill(client: Client, packet: ConnectPacket): void {
    if (packet.will) this.#wills.set(client, packet.will);
  }

  async #connect(client: Client, username: string, password: string): Promise<void> {
    this.#remember(client);
    const identity = await this.#identify(client, username, password);
    if (identity === undefined) {
      this.#log.warn({ code: 'MQTT.BAD_CREDENTIALS', clientId: client.id }, 'a client was refused');
      throw new ConnectRefusal('bad username or password', BAD_USERNAME_OR_PASSWORD);
    }
    if (!mayUseClientId(identity, client.id)) {
      this.#log.warn({ code: 'MQTT.FOREIGN_CLIENT_ID', clientId: client.id }, 'a client used a foreign client id');
      throw new ConnectRefusal('the client id belongs to somebody else', NOT_AUTHORISED);
    }
    // It was disconnected while its credentials were checked, which may have been good when they were read.
    if (client.conn.destroyed) throw new ConnectRefusal('the connection is over', SERVER_UNAVAILABLE);
    this.#identities.set(client, identity);
    const will = this.#wills.get(client);
    const refused = will && this.#refusePublish(client, will);
    if (refused) {
      this.#log.warn({ code: refused.code, clientId: client.id }, 'a client with a forbidden will was refused');
      throw new ConnectRefusal('the will breaks the contract', NOT_AUTHORISED);
    }
  }

  async #identify(client: Client, username: string, password: string): Promise<BrokerIdentity | undefined> {
    try {
      if (client.conn instanceof TLSSocket) return await this.#identifyByCertificate(client.conn, username);
      return await this.#authenticate(username, password, client.id);
    } catch (error) {
      this.#log.error({ code: 'MQTT.CANNOT_AUTHENTICATE', error }, 'credentials could not be checked');
      throw new ConnectRefusal('credentials cannot be checked at present', SERVER_UNAVAILABLE);
    }
  }

  /** Over TLS the certificate alone counts; a user name that says otherwise is refused. */
  async #identifyByCertificate(socket: TLSSocket, username: string): Promise<BrokerIdentity | undefined> {
    // Authorised: it has shown a certificate, and the authority has signed that.
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    const commonName: unknown = certificate && socket.getPeerCertificate().subject.CN;
    if (certificate === undefined || typeof commonName !== 'string') return undefined;
    const { serialNumber, fingerprint256 } = certificate;
    const shown = { commonName, serialNumber, fingerprint256: fingerprint256.replaceAll(':', '') };
    const identity = await this.#authenticateCertificate?.(shown);
    const named = identity && usernameOf(identity);
    return named === commonName && (username === '' || username === named) ? identity : undefined;
  }

  #refusePublish(client: Client | null, packet: Publication): AppError | null {
    const identity = client && this.#identities.get(client);
    if (!identity) return new AppError('MQTT.REFUSED', 'Nobody is known to have sent the message.');
    try {
      const { topic, qos = 0, retain = false, payload } = packet;
      authorisePublish(identity, { topic, qos, retain, payloadBytes: Buffer.byteLength(payload) });
      return null;
    } catch (error) {
      return toAppError(error);
    }
  }

  #refuseSubscribe(client: Client, filter: string, qos: number): boolean {
    try {
      const identity = this.#identities.get(client);
      if (!identity) throw new AppError('MQTT.REFUSED', 'Nobody is known to have subscribed.');
      authoriseSubscribe(identity, filter, qos);
      this.#claimConsumer(client, filter);
      return false;
    } catch (error) {
      this.#log.warn({ code: toAppError(error).code, clientId: client.id, filter }, 'a subscription was refused');
      return true;
    }
  }

  #claimConsumer(client: Client, filter: string): void {
    if (!singleConsumerFilters.has(filter)) return;
    const consumer = this.#consumers.get(filter);
    if (consumer && consumer.id !== client.id && !consumer.closed) {
      throw new AppError('MQTT.SECOND_CONSUMER', 'The embedded broker serves one consumer of this filter.');
    }
    this.#consumers.set(filter, client);
  }
}
