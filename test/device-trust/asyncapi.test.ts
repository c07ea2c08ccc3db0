import { readFile } from 'node:fs/promises';

import { Parser } from '@asyncapi/parser';
import { channels, tenantChannels } from '@sightline/contracts';
import { expect, it } from 'vitest';

const committed = new URL('../../docs/asyncapi.json', import.meta.url);

it('the AsyncAPI document is valid, and names every topic with its direction, QoS and retention', async () => {
  const { document, diagnostics } = await new Parser().parse(await readFile(committed, 'utf8'));
  // Severity 0: an error.
  expect(diagnostics).not.toContainEqual(expect.objectContaining({ severity: 0 }));
  const found = (document?.operations().all() ?? []).map((operation) => {
    const [channel] = operation.channels().all();
    const mqtt = operation.bindings().get('mqtt')?.value<{ readonly qos: number; readonly retain: boolean }>();
    const publisher = operation.isSend() ? 'device' : 'service';
    return [channel?.address()?.replace('sightline/v1/{tenant}/{device}/', ''), publisher, mqtt?.qos, mqtt?.retain];
  });
  const expected = Object.entries(channels).map(([name, { publisher, qos, retain }]) => [name, publisher, qos, retain]);
  const tenants = Object.entries(tenantChannels).map(([name, { qos, retain }]) => [
    ...[`sightline/v1/{tenant}/_tenant/${name}`, 'service', qos, retain],
  ]);
  expect(found.sort()).toEqual([...expected, ...tenants].sort());
});
