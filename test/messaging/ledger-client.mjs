// A client in a process of its own, to be killed: connects, and for each message received writes its number to a
// file, durably, before the message is acknowledged. Its first line of output says that it is ready.
import { Buffer } from 'node:buffer';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { connectMqtt } from '@sightline/messaging';

const { connection, filter, ledgerFile, workMs } = JSON.parse(process.argv[2] ?? '{}');
if (connection.will) connection.will.payload = Uint8Array.from(connection.will.payload);

const client = await connectMqtt(connection);
await new Promise((resolve) => client.on('connected', resolve));
if (filter) {
  const ledger = await open(ledgerFile, 'a');
  await client.subscribe(filter, async ({ payload }) => {
    await delay(workMs);
    await ledger.write(`${Buffer.from(payload).readUInt32BE()}\n`);
    await ledger.datasync();
  });
}
process.stdout.write('ready\n');
