import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { create, fromBinary } from '@bufbuild/protobuf';
import { CommandAckSchema, CommandSchema, CommandState, type Command, type CommandAck } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { DeviceClock } from '../../device-clock.js';
import { TestLog } from '../../testing/test-log.js';
import { VirtualClock } from '../../testing/virtual-clock.js';
import { TrustedTime } from '../../trusted-time.js';
import type { UplinkLink } from '../uplink-part.js';
import { CommandInbox } from './command-inbox.js';
import { CommandJournal } from './command-journal.js';

const IDS = Array.from({ length: 300 }, (_, index) => `0190a5c8-0000-7000-8000-${String(index).padStart(12, '0')}`);
const HOUR_MS = 3_600_000;

let directory: string;
let clock: VirtualClock;
let log: TestLog;
let synchronised: boolean;
let acks: CommandAck[];
let restarted: string[];
let restart: (cameraId: string) => Promise<void>;
let link: { sessionId: string; connected: boolean };
let inbox: CommandInbox;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-commands-'));
  clock = new VirtualClock();
  log = new TestLog();
  synchronised = true;
  acks = [];
  restarted = [];
  restart = async (cameraId) => void restarted.push(cameraId);
  link = { sessionId: 's1', connected: true };
  openAgain();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Opens the inbox as a new process would. */
function openAgain(): void {
  const deviceClock = new DeviceClock(clock, () => synchronised);
  const isSynchronised = (): boolean => synchronised;
  inbox = new CommandInbox({
    ...{ clock, deviceClock, log },
    trustedTime: new TrustedTime({ path: join(directory, 'time.json'), clock, isSynchronised, log }),
    journal: new CommandJournal(join(directory, 'commands.json'), log),
    actions: {
      restartCamera: (cameraId) => restart(cameraId),
      resyncGallery: () => Promise.reject(new AppError('COMMAND.UNSUPPORTED', 'The box has no local cache.')),
      diagnostics: () => ({ 'outbox.backlog': 7 }),
    },
  });
  const publish = async (_channel: string, payload: Uint8Array): Promise<void> => {
    acks.push(fromBinary(CommandAckSchema, payload));
  };
  inbox.attach(Object.assign(link, { publish, subscribe: () => undefined }) as UplinkLink);
}

const command = (kind: Command['kind'], fields: Partial<Omit<Command, '$typeName' | '$unknown'>> = {}): Command =>
  create(CommandSchema, {
    ...{ schemaVersion: 1, commandId: IDS[0] ?? '', sessionId: 's1', kind },
    issuedAtMs: BigInt(clock.wallMs()),
    expiresAtMs: BigInt(clock.wallMs() + HOUR_MS),
    validForMs: BigInt(HOUR_MS),
    ...fields,
  });
const restartDoor = (fields: Parameters<typeof command>[1] = {}): Command =>
  command(
    { case: 'restartCamera', value: { $typeName: 'sightline.v1.RestartCameraCommand', cameraId: 'door' } },
    fields,
  );
const ping = (fields: Parameters<typeof command>[1] = {}): Command =>
  command({ case: 'ping', value: { $typeName: 'sightline.v1.PingCommand' } }, fields);

async function take(taken: Command): Promise<readonly CommandState[]> {
  const before = acks.length;
  inbox.take(taken);
  await clock.advance(0);
  return acks.slice(before).map(({ state }) => state);
}

describe('a command', () => {
  it('is accepted, gets on and succeeds', async () => {
    expect(await take(restartDoor())).toEqual([CommandState.ACCEPTED, CommandState.PROGRESS, CommandState.SUCCEEDED]);
    expect(restarted).toEqual(['door']);
    expect(acks.at(-1)).toMatchObject({ commandId: IDS[0], progress: 1 });
  });

  it('brings back what it found out', async () => {
    const diagnostics = { $typeName: 'sightline.v1.CollectDiagnosticsCommand' } as const;
    await take(command({ case: 'collectDiagnostics', value: diagnostics }));
    expect(acks.at(-1)?.figures).toEqual({ 'outbox.backlog': 7 });
  });

  it('is done once however often it comes, also after a restart, and answered each time', async () => {
    await take(restartDoor());
    expect(await take(restartDoor())).toEqual([CommandState.SUCCEEDED]);
    openAgain();
    expect(await take(restartDoor({ sessionId: 's2' }))).toEqual([CommandState.SUCCEEDED]);
    expect(restarted).toEqual(['door']);
  });

  it('fails with the code of what was wrong', async () => {
    restart = () => Promise.reject(new AppError('CAMERA.NOT_FOUND', 'The box has no camera of this id.'));
    expect((await take(restartDoor())).at(-1)).toBe(CommandState.FAILED);
    expect(acks.at(-1)?.error).toBe('CAMERA.NOT_FOUND');
  });

  it('is rejected where the box cannot do it, or does not know what it is', async () => {
    const resync = { $typeName: 'sightline.v1.ResyncGalleryCommand' } as const;
    expect((await take(command({ case: 'resyncGallery', value: resync }))).at(-1)).toBe(CommandState.REJECTED);
    const unknown = command({ case: undefined }, { commandId: IDS[1] ?? '' });
    expect(await take(unknown)).toEqual([CommandState.REJECTED]);
    expect(acks.at(-1)?.error).toBe('COMMAND.UNKNOWN');
    expect(() => inbox.take(ping({ commandId: '' }))).toThrow(
      expect.objectContaining({ code: 'MQTT.MALFORMED_MESSAGE' }),
    );
  });
});

describe('a late command', () => {
  it('that a broker kept from an earlier session is not begun, whatever the box’s clock says', async () => {
    synchronised = false;
    clock.jumpWall(-clock.wallMs());
    expect(await take(restartDoor({ sessionId: 's0' }))).toEqual([]);
    expect(restarted).toEqual([]);
  });

  it('leaves its id to the copy that the cloud sends at the next birth', async () => {
    expect(await take(restartDoor({ sessionId: 's0' }))).toEqual([]);
    expect((await take(restartDoor())).at(-1)).toBe(CommandState.SUCCEEDED);
    expect(restarted).toEqual(['door']);
  });

  it('is none when the connection goes after it came, before its turn', async () => {
    restart = () => clock.sleep(1000);
    inbox.take(restartDoor());
    inbox.take(ping({ commandId: IDS[1] ?? '' }));
    link.sessionId = 's2';
    await clock.advance(2000);
    expect(acks.at(-1)).toMatchObject({ commandId: IDS[1], state: CommandState.SUCCEEDED });
    expect(await take(restartDoor({ sessionId: 's2' }))).toEqual([CommandState.SUCCEEDED]);
  });

  it('is expired by a clock that is known to be right, and by no other', async () => {
    const old = { expiresAtMs: BigInt(clock.wallMs() - 1) };
    expect(await take(restartDoor(old))).toEqual([CommandState.EXPIRED]);
    synchronised = false;
    await clock.advance(60_000);
    clock.jumpWall(24 * HOUR_MS);
    expect((await take(restartDoor({ commandId: IDS[1] ?? '' }))).at(-1)).toBe(CommandState.SUCCEEDED);
  });

  it('is expired when others before it took too long', async () => {
    restart = () => clock.sleep(10_000);
    inbox.take(restartDoor());
    inbox.take(ping({ commandId: IDS[1] ?? '', validForMs: 5000n }));
    await clock.advance(11_000);
    expect(acks.at(-1)).toMatchObject({ commandId: IDS[1], state: CommandState.EXPIRED });
  });
});

describe('the journal of commands', () => {
  it('has what died in the middle fail, is not done again, and is told on the next connection', async () => {
    restart = () => new Promise(() => undefined);
    expect(await take(restartDoor())).toEqual([CommandState.ACCEPTED, CommandState.PROGRESS]);
    openAgain();
    inbox.connected();
    await clock.advance(0);
    expect(acks.at(-1)).toMatchObject({ state: CommandState.FAILED, error: 'COMMAND.INTERRUPTED' });
    expect(await take(restartDoor())).toEqual([CommandState.FAILED]);
  });

  it('tells ends that could not be told, once', async () => {
    restart = async () => void (link.connected = false);
    await take(restartDoor());
    link.connected = true;
    const before = acks.length;
    inbox.connected();
    await clock.advance(0);
    inbox.connected();
    await clock.advance(0);
    expect(acks.slice(before).map(({ state }) => state)).toEqual([CommandState.SUCCEEDED]);
  });

  it('begins nothing that it cannot write down', async () => {
    rmSync(directory, { recursive: true });
    expect(await take(restartDoor())).toEqual([]);
    expect(restarted).toEqual([]);
    expect(log.codes).toContain('COMMAND.FAILED');
  });

  it('has what was done succeed, although its end cannot be written down', async () => {
    restart = async () => rmSync(directory, { recursive: true });
    expect(await take(restartDoor())).toEqual([CommandState.ACCEPTED, CommandState.PROGRESS, CommandState.SUCCEEDED]);
    expect(log.codes).toContain('COMMAND.FAILED');
    expect(await take(restartDoor())).toEqual([CommandState.SUCCEEDED]);
  });

  it('starts without one that is damaged, and remembers the last two hundred', async () => {
    writeFileSync(join(directory, 'commands.json'), '[{"id": 7}]');
    openAgain();
    expect(log.codes).toContain('COMMAND.JOURNAL_UNREADABLE');
    const written = new CommandJournal(join(directory, 'commands.json'), log);
    for (const id of IDS.slice(0, 201)) written.put({ id, state: 'succeeded', error: '', figures: {}, told: true });
    const journal = new CommandJournal(join(directory, 'commands.json'), log);
    expect(journal.find(IDS[0] ?? '')).toBeUndefined();
    expect(journal.find(IDS[200] ?? '')?.state).toBe('succeeded');
  });
});
