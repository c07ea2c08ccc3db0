import { AppError } from '@sightline/kernel';
import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { BaseRpcContext, Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom, throwError, type Observable } from 'rxjs';

import type { MqttConnection, MqttMessage } from './mqtt-connection.js';

/** What a handler's `@Ctx()` is: the first argument is the topic. */
type MqttRpcContext = BaseRpcContext<[topic: string]>;
/** The group that shares the messages of a filter out, undefined where every process takes all of them. */
export type GroupOfFilter = (filter: string) => string | undefined;
type MqttRpcHandler = MessageHandler<MqttMessage, MqttRpcContext, unknown>;

/**
 * Nest's transport over an {@link MqttConnection}. Each `@MessagePattern(filter)` or `@EventPattern(filter)` is
 * a subscription of QoS 1; its `@Payload()` is the {@link MqttMessage} as received, bytes untouched. The
 * message is acknowledged once everything that the handler returns (promise, observable) has completed, and
 * stays with the broker when that fails. Nothing is replied: a device is answered by publishing.
 *
 * Nest's own MQTT transport turns payloads into text and acknowledges before the handler has finished.
 */
export class DeferredAckServer extends Server implements CustomTransportStrategy {
  /** Failures of `@EventPattern` handlers must reach this class, which withholds the acknowledgement. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #connection: MqttConnection;
  readonly #groupOf: GroupOfFilter;

  constructor(connection: MqttConnection, groupOf: GroupOfFilter = () => undefined) {
    super();
    this.#connection = connection;
    this.#groupOf = groupOf;
  }

  /** Subscribes. Nest's start waits until the broker has granted every filter, however long it takes to come. */
  listen(callback: (error?: unknown) => void): void {
    const handlers = this.messageHandlers as ReadonlyMap<string, MqttRpcHandler>;
    Promise.all([...handlers].map(([filter, handler]) => this.#subscribe(filter, handler))).then(
      () => callback(),
      (error: unknown) => callback(error),
    );
  }

  /** Closes the connection: handlers under way finish first. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  on(event: string): never {
    throw new AppError('MQTT.UNSUPPORTED', `The transport has no event "${event}": listen to its connection.`);
  }

  unwrap(): never {
    throw new AppError('MQTT.UNSUPPORTED', 'The connection belongs to whoever made it: take it from there.');
  }

  async #subscribe(filter: string, handler: MqttRpcHandler): Promise<void> {
    const group = this.#groupOf(filter);
    const options = { qos: 1, ...(group !== undefined && { group }) } as const;
    await this.#connection.subscribe(filter, (message) => this.#handle(message, handler), options);
  }

  async #handle(message: MqttMessage, handler: MqttRpcHandler): Promise<void> {
    const result = await handler(message, new BaseRpcContext<[topic: string]>([message.topic]));
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
  }
}

/**
 * Brings a handler's failure to the transport as it is, which logs it once. Nest's own filter logs it too, and passes an
 * "Internal server error" on.
 */
@Catch()
export class FailuresAsTheyAre implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
