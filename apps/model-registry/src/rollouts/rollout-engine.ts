import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, errorMessage, type Clock, type Logger, type TenantId } from '@sightline/kernel';

import type { Audit } from '../audit/audit.js';
import { decideRollout, type RolloutDecision } from './decide-rollout.js';
import type { DesiredReleases } from './desired-releases.js';
import { countBuckets } from './gate.js';
import { holdsPlace } from './judge-member.js';
import { deviceKey, goalOf, type FleetDevice, type Member, type Rollout } from './rollout.js';
import { obey, type RolloutCommand } from './rollout-commands.js';
import {
  activeRollouts,
  addEvent,
  findRollout,
  fleetOf,
  insertRollout,
  lockRollouts,
  membersOf,
  saveMembers,
  saveRollout,
  type NewRollout,
} from './rollout-store.js';

export interface RolloutEngineOptions {
  readonly database: Database;
  readonly desired: Pick<DesiredReleases, 'assign'>;
  readonly audit: Pick<Audit, 'record'>;
  /** How many devices may be downloading at once, over all rollouts. */
  readonly places: number;
  /** Documents were changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Rollouts are looked at so often when nothing happens: deadlines pass, and other processes take messages, ms. */
const LOOK_EVERY_MS = 5000;
/** And at most so often when much does, ms. */
const LOOK_AT_MOST_EVERY_MS = 100;

interface Facts {
  readonly rollout: Rollout;
  readonly fleet: readonly FleetDevice[];
  readonly members: readonly Member[];
}

/**
 * Applies what `decideRollout` decides. All state is in PostgreSQL, and whoever decides holds one lock: several processes
 * take turns, and one that dies leaves nothing half done.
 */
export class RolloutEngine {
  readonly #options: RolloutEngineOptions;
  #wake: () => void = () => undefined;
  #isDue = false;

  constructor(options: RolloutEngineOptions) {
    this.#options = options;
  }

  /** Something has happened that may matter. */
  wake(): void {
    this.#isDue = true;
    this.#wake();
  }

  /** Looks at the rollouts again and again until it is stopped. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const isStopping = (): boolean => signal.aborted;
    const isDue = (): boolean => this.#isDue;
    while (!isStopping()) {
      this.#isDue = false;
      let sleepMs = LOOK_EVERY_MS;
      try {
        sleepMs = await this.look();
      } catch (error) {
        if (!isStopping()) log.warn({ reason: errorMessage(error) }, 'the rollouts could not be looked at');
      }
      await clock.sleep(LOOK_AT_MOST_EVERY_MS, signal).catch(() => undefined);
      if (!isDue() && !isStopping()) await this.#untilDue(sleepMs, signal);
    }
  }

  /**
   * Decides once about every rollout, in one transaction.
   *
   * @returns when it is to be looked again, in ms
   * @throws AppError `DATABASE.UNAVAILABLE`, `DATABASE.CONFLICT` (both retryable)
   */
  async look(): Promise<number> {
    const { offered, sleepMs } = await inTransaction(this.#options.database, (tx) => this.#decideAll(tx));
    if (offered > 0) this.#options.onChange();
    return sleepMs;
  }

  /** Stores a new rollout. Devices come in with the next look. */
  async create(fresh: NewRollout): Promise<void> {
    const nowMs = this.#options.clock.wallMs();
    await inTransaction(this.#options.database, async (tx) => {
      await lockRollouts(tx);
      const { id } = await insertRollout(tx, fresh, nowMs);
      const { tenantId, createdBy: actor } = fresh;
      await addEvent(tx, id, { kind: 'created', stage: 0 }, { nowMs, actor, counts: countBuckets([]) });
      await this.#options.audit.record(tx, { tenantId, actor }, { action: 'rollout.create', subject: subjectOf(id) });
    });
    this.wake();
  }

  /**
   * Does to a rollout what a person wants.
   *
   * @throws AppError `ROLLOUT.NOT_FOUND`, `ROLLOUT.NOT_ALLOWED`
   */
  async command(tenantId: TenantId, id: string, command: RolloutCommand, actor: string): Promise<void> {
    const nowMs = this.#options.clock.wallMs();
    await inTransaction(this.#options.database, async (tx) => {
      await lockRollouts(tx);
      const rollout = await findRollout(tx, tenantId, id);
      if (!rollout) throw new AppError('ROLLOUT.NOT_FOUND', 'There is no rollout of this id.');
      const members = await membersOf(tx, id);
      const outcome = obey(command, rollout, members, nowMs);
      await saveRollout(tx, outcome.rollout);
      await saveMembers(tx, id, outcome.changed);
      await addEvent(tx, id, outcome.event, { nowMs, actor, counts: countBuckets(members) });
      const change = { action: `rollout.${command}`, subject: subjectOf(id) } as const;
      await this.#options.audit.record(tx, { tenantId, actor }, change);
    });
    this.wake();
  }

  async #decideAll(tx: Transaction): Promise<{ readonly offered: number; readonly sleepMs: number }> {
    await lockRollouts(tx);
    const nowMs = this.#options.clock.wallMs();
    const all = await this.#read(tx);
    let places = this.#options.places - placesHeld(all, nowMs);
    let offered = 0;
    let moved = false;
    // Newest first: where two have a device, the older one finds that it was superseded.
    const governors = new Map<string, number>();
    for (const { rollout, fleet, members } of all) {
      const current = fleet.map((device) => ({
        ...device,
        governor: governors.get(deviceKey(device)) ?? device.governor,
      }));
      const decision = decideRollout({ rollout, fleet: current, members }, nowMs);
      const told = await this.#offer(tx, decision, { nowMs, places });
      for (const member of told) governors.set(deviceKey(member), rollout.number);
      places -= told.length;
      offered += told.length;
      moved ||= decision.events.length > 0;
      await this.#save(tx, rollout, { decision, members, told, nowMs });
    }
    return { offered, sleepMs: moved ? 0 : untilNextDeadline(all, nowMs) };
  }

  async #read(tx: Transaction): Promise<readonly Facts[]> {
    const fleets = new Map<TenantId, readonly FleetDevice[]>();
    const facts: Facts[] = [];
    for (const rollout of await activeRollouts(tx)) {
      const fleet = fleets.get(rollout.tenantId) ?? (await fleetOf(tx, rollout.tenantId));
      fleets.set(rollout.tenantId, fleet);
      facts.push({ rollout, fleet, members: await membersOf(tx, rollout.id) });
    }
    return facts;
  }

  /** Tells devices what to run, as many as there are places for. */
  async #offer(
    tx: Transaction,
    { rollout, waiting }: RolloutDecision,
    { nowMs, places }: { readonly nowMs: number; readonly places: number },
  ): Promise<readonly Member[]> {
    const wanted = waiting.slice(0, Math.max(0, places)).flatMap((member) => {
      const release = goalOf(member);
      return release ? [{ member, tenantId: member.tenantId, deviceId: member.deviceId, release }] : [];
    });
    if (wanted.length === 0) return [];
    const versions = await this.#options.desired.assign(tx, rollout.number, wanted);
    return wanted.flatMap(({ member }) => {
      const documentVersion = versions.get(deviceKey(member));
      const deadlineMs = nowMs + deadlineMsOf(rollout, member);
      return documentVersion === undefined ? [] : [{ ...member, offer: { documentVersion, atMs: nowMs, deadlineMs } }];
    });
  }

  async #save(tx: Transaction, before: Rollout, { decision, members, told, nowMs }: Saved): Promise<void> {
    const { rollout, joined, changed, events } = decision;
    const fresh = new Map([...joined, ...changed, ...told].map((member) => [deviceKey(member), member]));
    await saveMembers(tx, rollout.id, [...fresh.values()]);
    if (rollout !== before) await saveRollout(tx, rollout);
    if (events.length === 0) return;
    const all = new Map([...members, ...fresh.values()].map((member) => [deviceKey(member), member]));
    const counts = countBuckets([...all.values()]);
    for (const event of events) {
      await addEvent(tx, rollout.id, event, { nowMs, actor: null, counts });
      const { kind, stage, reason } = event;
      this.#options.log.info({ rollout: rollout.id, kind, stage, reason, ...counts }, 'a rollout went on');
    }
  }

  #untilDue(sleepMs: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    this.#wake = () => waiting.abort();
    return this.#options.clock.sleep(sleepMs, AbortSignal.any([signal, waiting.signal])).catch(() => undefined);
  }
}

interface Saved {
  readonly decision: RolloutDecision;
  readonly members: readonly Member[];
  readonly told: readonly Member[];
  readonly nowMs: number;
}

const subjectOf = (id: string) => ({ kind: 'rollout', id });

function placesHeld(all: readonly Facts[], nowMs: number): number {
  return all.reduce((sum, { fleet, members }) => {
    const devices = new Map(fleet.map((device) => [deviceKey(device), device]));
    return sum + members.filter((member) => holdsPlace(member, devices.get(deviceKey(member)), nowMs)).length;
  }, 0);
}

/** A deadline that passes between two looks is a reason for another. */
function untilNextDeadline(all: readonly Facts[], nowMs: number): number {
  const deadlines = all.flatMap(({ members }) =>
    members.flatMap(({ bucket, offer }) => (bucket === 'pending' && offer ? [offer.deadlineMs - nowMs] : [])),
  );
  return deadlines.reduce((soonest, ms) => (ms > 0 ? Math.min(soonest, ms) : soonest), LOOK_EVERY_MS);
}

/** How long a member may take. */
function deadlineMsOf({ plan }: Rollout, { stage }: Member): number {
  const advance = plan.stages[stage]?.advance;
  const own = typeof advance === 'object' ? advance.deadlineSeconds : undefined;
  return (own ?? plan.deadlineSeconds) * 1000;
}
