import { Command, Option } from 'commander';

import { buckets } from '../rollouts/rollout.js';
import { rolloutCommands as steps } from '../rollouts/rollout-commands.js';
import {
  rolloutDevicePageSchema,
  rolloutPageSchema,
  rolloutReportSchema,
  rolloutSchema,
  type RolloutReport,
  type RolloutView,
} from '../rollouts/rollout.schemas.js';
import type { CommandContext } from './command-context.js';
import { table } from './terminal.js';

const PATH = '/v1/rollouts';

interface StartOptions {
  readonly device?: readonly string[];
  readonly deviceClass?: readonly string[];
  readonly stage: readonly string[];
  readonly successShare?: string;
  readonly minimumDevices: string;
  readonly deadlineSeconds?: string;
  readonly note?: string;
}

/** `rollouts`: begin, steer and look at them. */
export function rolloutCommands({ client, show }: CommandContext): Command {
  const rollouts = new Command('rollouts').description('rollouts: bring a release to devices in stages');
  rollouts
    .command('start <version>')
    .description('bring a release to devices of the tenant; stages wait for a person unless --success-share is given')
    .option('--device <id...>', 'these devices alone')
    .option('--device-class <class...>', 'devices of these classes alone')
    .option('--stage <percent...>', 'how much of them each stage has, the last 100', ['10', '100'])
    .option('--success-share <share>', 'what opens the next stage by itself, such as 0.98')
    .option('--minimum-devices <number>', 'so many must have an outcome before', '1')
    .option('--deadline-seconds <number>', 'how long each device may take')
    .option('--note <text>', 'for people')
    .action(async (version: string, options: StartOptions, command: Command) => {
      const answer = await client(command).ask(rolloutSchema, 'POST', PATH, bodyOf(version, options));
      show(command, answer, () => lineOf(answer));
    });
  rollouts
    .command('list')
    .description('the newest rollouts')
    .action(async (_, command: Command) => {
      const answer = await client(command).ask(rolloutPageSchema, 'GET', PATH);
      show(command, answer, () => answer.items.map(lineOf).join('\n'));
    });
  rollouts
    .command('show <id>')
    .description('the report of a rollout')
    .action(async (id: string, _, command: Command) => {
      const answer = await client(command).ask(rolloutReportSchema, 'GET', `${PATH}/${encodeURIComponent(id)}`);
      show(command, answer, () => reportText(answer));
    });
  rollouts
    .command('devices <id>')
    .description('each device of a rollout; the first 1000')
    .addOption(new Option('--bucket <name>', 'with this outcome alone').choices(buckets))
    .action(async (id: string, { bucket }: { readonly bucket?: string }, command: Command) => {
      const query = `limit=1000${bucket === undefined ? '' : `&bucket=${bucket}`}`;
      const path = `${PATH}/${encodeURIComponent(id)}/devices?${query}`;
      const answer = await client(command).ask(rolloutDevicePageSchema, 'GET', path);
      const rows = answer.items.map((device) => [
        ...[device.deviceId, String(device.stage), device.bucket, device.error],
        ...[device.step ?? '', device.running?.version ?? ''],
      ]);
      show(command, answer, () => table(['device', 'stage', 'outcome', 'error', 'step', 'runs'], rows));
    });
  for (const step of steps) {
    rollouts
      .command(`${step} <id>`)
      .description(`${step} a rollout`)
      .action(async (id: string, _, command: Command) => {
        const answer = await client(command).ask(rolloutSchema, 'POST', `${PATH}/${encodeURIComponent(id)}/${step}`);
        show(command, answer, () => lineOf(answer));
      });
  }
  return rollouts;
}

/** Numbers are checked by the registry. */
function bodyOf(version: string, options: StartOptions): object {
  const { device: deviceIds, deviceClass: deviceClasses, stage, successShare, deadlineSeconds, note } = options;
  const advance =
    successShare === undefined
      ? 'manual'
      : { successShare: Number(successShare), minimumDevices: Number(options.minimumDevices) };
  return {
    release: version,
    selector: { deviceIds, deviceClasses },
    stages: stage.map((percentage) => ({ percentage: Number(percentage), advance })),
    ...(deadlineSeconds !== undefined && { deadlineSeconds: Number(deadlineSeconds) }),
    note,
  };
}

function lineOf({ id, status, reason, stage, stages, releases }: RolloutView): string {
  const versions = [...Object.values(releases.byDeviceClass), releases.otherwise ?? []]
    .flat()
    .map(({ version }) => version);
  const where = `stage ${stage + 1} of ${stages.length}`;
  return `${id}  ${[...new Set(versions)].join(', ')}  ${status}${reason === null ? '' : ` (${reason})`}  ${where}`;
}

function reportText({ rollout, gate, share, stages, errors, events }: RolloutReport): string {
  const rows = stages.map(({ percentage, share: own, counts }, index) => [
    ...[String(index + 1), `${percentage} %`, `${own.ok} of ${own.of}`],
    ...buckets.filter((bucket) => bucket !== 'ok').map((bucket) => String(counts[bucket])),
  ]);
  return [
    lineOf(rollout),
    `${share.ok} of ${share.of} run it; the open stage: ${gate}`,
    table(['stage', 'share', 'ok', ...buckets.filter((bucket) => bucket !== 'ok')], rows),
    ...errors.map(({ code, devices }) => `${code}: ${devices}`),
    ...events.map(({ at, kind, actor, reason }) => [at, kind, actor ?? 'by itself', reason ?? ''].join('  ').trimEnd()),
  ].join('\n');
}
