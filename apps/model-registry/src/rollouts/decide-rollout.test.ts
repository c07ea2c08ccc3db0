import { ReleaseStep } from '@sightline/contracts';
import { seededIntegers, type DeviceId, type TenantId } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decideRollout } from './decide-rollout.js';
import { countBuckets, countedOf, gateOf } from './gate.js';
import { holdsPlace } from './judge-member.js';
import { deviceKey, type FleetDevice, type Member, type Rollout, type RolloutPlan, type Stage } from './rollout.js';
import { obey } from './rollout-commands.js';

const old = { version: '1.0.0', digest: 'a'.repeat(64) };
const fresh = { version: '1.1.0', digest: 'b'.repeat(64) };
const DEADLINE_SECONDS = 600;
const tenantId = 'acme' as TenantId;

const planOf = (changes: Partial<RolloutPlan>): RolloutPlan => ({
  releases: { byDeviceClass: {}, otherwise: fresh },
  selector: {},
  percentage: 100,
  stages: [
    { percentage: 10, advance: { successShare: 0.5, minimumDevices: 1 } },
    { percentage: 100, advance: { successShare: 0.5, minimumDevices: 1 } },
  ],
  deadlineSeconds: DEADLINE_SECONDS,
  ...changes,
});
const rolloutOf = (plan: RolloutPlan): Rollout => ({
  ...{ id: 'r-1', number: 1, tenantId, plan, status: 'running', stage: 0 },
  ...{ stageStartedAtMs: 0, completedAtMs: undefined, reason: undefined },
});
const deviceOf = (index: number, changes: Partial<FleetDevice> = {}): FleetDevice => ({
  ...{ tenantId, deviceId: `box-${index}` as DeviceId, deviceClass: 'arm64', desired: old, governor: undefined },
  ...{ runningDigest: old.digest, step: undefined, ...changes },
});

/** How a simulated box takes a release. */
type Nature = 'good' | 'slow' | 'dead' | 'fails' | 'falls back' | 'dies half-way';
const natures: readonly Nature[] = ['good', 'slow', 'dead', 'fails', 'falls back', 'dies half-way'];

/** A rollout over simulated boxes on virtual time, with the engine's part played by hand. */
class Simulation {
  rollout: Rollout;
  members: readonly Member[] = [];
  nowMs = 0;
  mostAtOnce = 0;
  readonly #natures = new Map<string, Nature>();
  readonly #draw;
  fleet: FleetDevice[] = [];

  constructor(plan: RolloutPlan, devices: number, seed: number) {
    this.rollout = rolloutOf(plan);
    this.#draw = seededIntegers(seed);
    for (let index = 0; index < devices; index += 1) this.add(index);
  }

  add(index: number): void {
    const device = deviceOf(index);
    this.fleet.push(device);
    this.#natures.set(deviceKey(device), natures[this.#draw(10)] ?? 'good');
  }

  natureOf(member: Member): Nature {
    return this.#natures.get(deviceKey(member)) ?? 'good';
  }

  /** Lets time pass: devices do what they do, then the rollout is looked at. */
  tick(ms: number, places = Number.POSITIVE_INFINITY): void {
    this.nowMs += ms;
    const offers = new Map(this.members.map((member) => [deviceKey(member), member]));
    this.fleet = this.fleet.map((device) => this.#acted(device, offers.get(deviceKey(device))));
    const decision = decideRollout({ rollout: this.rollout, fleet: this.fleet, members: this.members }, this.nowMs);
    const all = new Map(this.members.map((member) => [deviceKey(member), member]));
    for (const member of [...decision.joined, ...decision.changed]) all.set(deviceKey(member), member);
    const devices = new Map(this.fleet.map((device) => [deviceKey(device), device]));
    const held = [...all.values()].filter((member) =>
      holdsPlace(member, devices.get(deviceKey(member)), this.nowMs),
    ).length;
    for (const member of decision.waiting.slice(0, Math.max(0, places - held))) {
      const offer = { documentVersion: 2, atMs: this.nowMs, deadlineMs: this.nowMs + DEADLINE_SECONDS * 1000 };
      all.set(deviceKey(member), { ...member, offer });
    }
    this.members = [...all.values()];
    this.rollout = decision.rollout;
    const holding = this.members.filter((member) =>
      holdsPlace(member, devices.get(deviceKey(member)), this.nowMs),
    ).length;
    this.mostAtOnce = Math.max(this.mostAtOnce, holding);
  }

  #acted(device: FleetDevice, member: Member | undefined): FleetDevice {
    const { offer } = member ?? {};
    if (!member || !offer || member.goal === 'previous')
      return offer ? { ...device, runningDigest: old.digest } : device;
    const ageMs = this.nowMs - offer.atMs;
    const at = (step: ReleaseStep, error = ''): FleetDevice['step'] => ({
      ...{ documentVersion: offer.documentVersion, digest: fresh.digest, step, error },
      ...{ attempt: 1, receivedBytes: 0, totalBytes: 0, atMs: this.nowMs },
    });
    switch (this.natureOf(member)) {
      case 'good':
        return ageMs < 60_000
          ? { ...device, step: at(ReleaseStep.DOWNLOADING) }
          : { ...device, runningDigest: fresh.digest, step: at(ReleaseStep.COMMITTED) };
      case 'slow':
        return { ...device, step: at(ReleaseStep.DOWNLOADING) };
      case 'fails':
        return { ...device, step: at(ReleaseStep.FAILED, 'RELEASE.SELF_TEST_FAILED') };
      case 'falls back':
        return ageMs < 400_000
          ? { ...device, runningDigest: fresh.digest, step: at(ReleaseStep.COMMITTED) }
          : { ...device, runningDigest: old.digest };
      case 'dies half-way':
        return ageMs < 60_000 ? { ...device, step: at(ReleaseStep.DOWNLOADING) } : device;
      case 'dead':
        return device;
    }
  }
}

/** What a member of each nature comes to in the end. */
const outcomes: Readonly<Record<Nature, readonly [string, string]>> = {
  good: ['ok', ''],
  slow: ['failed', 'ROLLOUT.TOO_SLOW'],
  dead: ['silent', ''],
  fails: ['failed', 'RELEASE.SELF_TEST_FAILED'],
  'falls back': ['failed', 'ROLLOUT.FELL_BACK'],
  'dies half-way': ['silent', ''],
};

const stagesOf = (share: number): readonly Stage[] => {
  const advance = { successShare: share, minimumDevices: 1 };
  return [1, 25.5, 100].map((percentage) => ({ percentage, advance }));
};

describe('a rollout over thousands of devices', () => {
  it('comes to what each of them does, and to an end', () => {
    const simulation = new Simulation(planOf({ stages: stagesOf(0.01) }), 3000, 1);
    for (let step = 0; step < 15; step += 1) simulation.tick(180_000);
    expect(simulation.rollout.status).toBe('completed');
    expect(simulation.members).toHaveLength(3000);
    const unlike = simulation.members.filter((member) => {
      const [bucket, error] = outcomes[simulation.natureOf(member)];
      return member.bucket !== bucket || member.error !== error;
    });
    expect(unlike).toEqual([]);
  });

  it('never has more of them download than there are places, and the dead ones stop nobody', () => {
    const simulation = new Simulation(planOf({ stages: stagesOf(0.01) }), 300, 4);
    for (let minute = 0; minute < 120; minute += 1) simulation.tick(60_000, 40);
    expect(simulation.mostAtOnce).toBeGreaterThan(20);
    expect(simulation.mostAtOnce).toBeLessThanOrEqual(40);
    expect(countBuckets(simulation.members)).toMatchObject({ pending: 0 });
    expect(simulation.members).toHaveLength(300);
  });

  it('always comes to an outcome for everybody, or to a stop with its reason, and back again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 80 }),
        fc.integer(),
        fc.constantFrom(0.1, 0.5, 0.9, 1),
        fc.constantFrom(1, 5, 40),
        fc.constantFrom(10, 33.3, 100),
        (devices, seed, successShare, minimumDevices, percentage) => {
          const advance = { successShare, minimumDevices };
          const stages = [20, 100].map((share) => ({ percentage: share, advance }));
          const simulation = new Simulation(planOf({ stages, percentage }), devices, seed);
          let before = new Set<string>();
          for (let minute = 0; minute < 60; minute += 1) {
            if (minute === 5) simulation.add(devices);
            simulation.tick(60_000);
            const now = new Set(simulation.members.map(deviceKey));
            // Nobody who is in it ever leaves it.
            for (const key of before) expect(now.has(key)).toBe(true);
            before = now;
          }
          const { rollout, members } = simulation;
          expect(countBuckets(members).pending).toBe(0);
          const open = rollout.plan.stages[rollout.stage]?.percentage ?? 0;
          if (rollout.status === 'paused') expect(rollout.reason).toBe('ROLLOUT.SUCCESS_SHARE_MISSED');
          else {
            expect(['completed', 'running']).toContain(rollout.status);
            expect(members).toHaveLength(Math.ceil(((devices + 1) * Math.round(percentage * 10) * open) / 100_000));
          }

          const nowMs = simulation.nowMs;
          const back = obey('rollback', rollout, members, nowMs);
          const changed = new Map(back.changed.map((member) => [deviceKey(member), member]));
          simulation.rollout = back.rollout;
          simulation.members = members.map((member) => changed.get(deviceKey(member)) ?? member);
          for (let minute = 0; minute < 3; minute += 1) simulation.tick(60_000);
          expect(simulation.rollout.status).toBe('rolled-back');
          for (const { bucket } of simulation.members) expect(['ok', 'withdrawn']).toContain(bucket);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('the members of a stage', () => {
  const joinedOf = (devices: readonly FleetDevice[], id = 'r-1'): readonly string[] =>
    decideRollout({ rollout: { ...rolloutOf(planOf({})), id }, fleet: devices, members: [] }, 0).joined.map(deviceKey);
  const fleet = Array.from({ length: 200 }, (_, index) => deviceOf(index));

  it('are the same whatever order devices come in, and others in another rollout', () => {
    expect(joinedOf(fleet)).toHaveLength(20);
    expect(joinedOf(fleet.toReversed())).toEqual(joinedOf(fleet));
    expect(joinedOf(fleet, 'r-2')).not.toEqual(joinedOf(fleet));
  });

  it('are devices that the rollout has a release for; the others are rejected and count for nothing', () => {
    const mixed = fleet.map((device, index) => ({ ...device, deviceClass: index % 2 === 0 ? 'arm64' : 'constructor' }));
    const plan = planOf({ releases: { byDeviceClass: { arm64: fresh } } });
    const { joined, gate } = decideRollout({ rollout: rolloutOf(plan), fleet: mixed, members: [] }, 0);
    expect(countBuckets(joined)).toMatchObject({ rejected: 100, pending: 10 });
    expect(gate).toBe('waiting');
  });
});

describe('the gate of a stage', () => {
  const members = (ok: number, failed: number, pending: number): readonly Member[] => {
    const one = (bucket: Member['bucket']) => ({ bucket }) as Member;
    return [
      ...Array.from({ length: ok }, () => one('ok')),
      ...Array.from({ length: failed }, () => one('failed')),
      ...Array.from({ length: pending }, () => one('pending')),
    ];
  };
  const stage = (successShare: number, minimumDevices = 1): Stage => ({
    percentage: 50,
    advance: { successShare, minimumDevices },
  });

  it.each([
    ['nobody is never a success', stage(0.01), [0, 0, 0], 'empty'],
    ['the very share is enough', stage(0.9), [9, 1, 0], 'met'],
    ['one less is not, though one is still out', stage(0.9), [8, 1, 1], 'waiting'],
    ['and cannot be any more', stage(0.9), [8, 2, 0], 'missed'],
    ['hope ends before everybody has answered', stage(0.9), [1, 2, 7], 'missed'],
    ['too few have answered', stage(0.5, 5), [3, 0, 4], 'waiting'],
    ['and nobody is left who could', stage(0.5, 5), [3, 0, 0], 'too-few'],
  ] as const)('%s', (_, open, [ok, failed, pending], gate) => {
    expect(gateOf(open, members(ok, failed, pending))).toBe(gate);
  });

  it('is exact for every share of every number of devices', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 100 }), (all, percent) => {
        const needed = Math.ceil((all * percent) / 100);
        expect(gateOf(stage(percent / 100), members(needed, all - needed, 0))).toBe('met');
        if (needed > 1) expect(gateOf(stage(percent / 100), members(needed - 1, all - needed + 1, 0))).toBe('missed');
        expect(countedOf(countBuckets(members(needed, all - needed, 0)))).toBe(all);
      }),
      { numRuns: 200 },
    );
  });
});
