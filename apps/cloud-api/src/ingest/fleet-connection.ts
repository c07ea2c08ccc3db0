import type { Database } from '@sightline/database';
import type { StopStack } from '@sightline/kernel';
import { certificatesFrom, connectMqtt, forgetSession, type MqttConnection } from '@sightline/messaging';

import type { CloudApiConfig } from '../config.js';
import { ConsumerClaim } from './consumer-claim.js';
import { GroupMembers } from './group-members.js';

/**
 * Connects to the fleet's broker with the right to consume its messages: alone, or as one instance of a group.
 *
 * @param stack takes what has to be stopped
 * @throws AppError `INGEST.SECOND_CONSUMER`, `DATABASE.UNAVAILABLE`
 */
export async function connectFleet(
  { mqtt, log, clock }: Pick<CloudApiConfig, 'mqtt' | 'log' | 'clock'>,
  database: Database,
  stack: StopStack,
): Promise<MqttConnection> {
  const { url, username, password, tls, shared } = mqtt;
  const claim = await ConsumerClaim.take({ database, clock, log, shared });
  stack.push(() => claim.release());
  const account = { url, username, password, log, clock, ...(tls && { tls: certificatesFrom(tls) }) };
  if (shared === undefined) {
    const connection = await connectMqtt({ ...account, clientId: username, clean: false });
    stack.push(() => connection.close());
    return connection;
  }
  const clientId = `${username}:${shared.instance}`;
  const members = new GroupMembers({
    ...{ database, clock, log, shared, clientId },
    forgetSession: (gone, signal) => forgetSession({ ...account, clientId: gone }, signal),
  });
  await members.start();
  stack.push(() => members.stop());
  const connection = await connectMqtt({ ...account, clientId, clean: false });
  stack.push(() => connection.close());
  return connection;
}
