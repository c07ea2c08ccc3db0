import { create } from '@bufbuild/protobuf';
import { CloseReason, SightingPhase, SightingSchema, type LocalDecision, type Sighting } from '@sightline/contracts';
import { ExclusiveRunner, errorMessage, isAppError, newSightingId, type Logger } from '@sightline/kernel';
import type { DetectionResult, Face } from '@sightline/recognition';
import type { Template } from '@sightline/template-protection';

import type { LocalProbe } from '../cache/local-matcher.js';
import type { CapturedFrame } from '../capture/frame-source.js';
import type { SightingImages } from '../images/sighting-images.js';
import type { DeviceClock } from '../device-clock.js';
import type { NewRecord } from '../outbox/outbox-store.js';
import { BestShots, type Shot } from './best-shots.js';
import { mayBeIdentified, PresentationScores, type PresentationPolicy } from './presentation.js';
import type { RecogniserSlot } from './recogniser-slot.js';
import { sightingRecord, wireTemplate } from './sighting-record.js';
import type { SightingPolicy } from './sighting-policy.js';
import { StageTimes } from './stage-times.js';

export interface SightingTrackDependencies {
  readonly cameraId: string;
  readonly slot: RecogniserSlot;
  /** Stores a record durably. */
  readonly store: (record: NewRecord) => Promise<unknown>;
  readonly deviceClock: DeviceClock;
  readonly policy: () => SightingPolicy;
  /** Off when absent. */
  readonly presentation?: PresentationPolicy | undefined;
  /** What the box itself decides, at once; never throws. Undefined where it may not, or has nobody to compare with. */
  readonly decideLocally?: ((probe: LocalProbe) => LocalDecision | undefined) | undefined;
  /** Keeps sealed images; none when absent. */
  readonly images?: Pick<SightingImages, 'take' | 'recorded' | 'unrecorded'> | undefined;
  readonly log: Logger;
}

/** One face of one frame, as it goes to its track. */
export interface Observation {
  readonly face: Face;
  readonly captured: Omit<CapturedFrame, 'frame'>;
  readonly stageMs: DetectionResult['stageMs'];
  /** Faces in the frame: what a stage took was for all of them. */
  readonly facesInFrame: number;
  readonly releaseDigest: string;
}

export type ClosingReason = CloseReason.LEFT | CloseReason.AGENT_STOPPED;

/** A face that was not good enough in so long a time is followed without hurry, ms. */
const SETTLING_MS = 3000;

/**
 * A track on its way to being a sighting: gathers shots, decides when a revision is due, and has it embedded,
 * protected and stored. Revisions of one sighting are stored in order; the camera does not wait for them.
 *
 * All templates of one sighting come from one release: the one that made its first. A track that never showed
 * a face good enough is stored as well, when it closes, without templates: somebody was there, and the cloud
 * refuses to say who.
 */
export class SightingTrack {
  readonly #dependencies: SightingTrackDependencies;
  readonly #id = newSightingId();
  readonly #runner = new ExclusiveRunner();
  readonly #bestShots = new BestShots();
  readonly #templates = new WeakMap<Shot, Template>();
  readonly #presentations = new PresentationScores();
  readonly #stageTimes = new StageTimes();
  readonly #first: Observation;
  #last: Observation;
  #frames = 0;
  #goodShots = 0;
  #bestQuality = 0;
  /** Best quality that a revision carried; undefined until the sighting opened. */
  #sentQuality: number | undefined;
  #sentAtStreamMs = 0;
  #revision = 0;
  #isReported = false;
  /** Digest of the sealed image that its records refer to, from when it first closed. */
  #imageDigest: Uint8Array | undefined;
  #isClosed = false;
  /** Closed, and gone on since without a revision that says so. */
  #wasClosed = false;
  #look: 'not yet' | 'under way' | 'done' = 'not yet';
  /** Digest of the release that its templates come from. */
  #releaseDigest: string;

  constructor(dependencies: SightingTrackDependencies, first: Observation) {
    this.#dependencies = dependencies;
    this.#first = first;
    this.#last = first;
    this.#releaseDigest = first.releaseDigest;
  }

  /** Takes the track's face in one frame. */
  observe(observation: Observation): void {
    const { face, captured, stageMs, facesInFrame, releaseDigest } = observation;
    const policy = this.#dependencies.policy();
    this.#last = observation;
    this.#frames += 1;
    this.#bestQuality = Math.max(this.#bestQuality, face.quality);
    this.#stageTimes.add('detect', stageMs.detect);
    this.#stageTimes.add('landmarks', stageMs.landmarks / facesInFrame);
    this.#stageTimes.add('align', stageMs.align / facesInFrame);
    if (face.quality < policy.minimumQuality || !this.#mayUse(releaseDigest)) return;
    this.#goodShots += 1;
    const { aligned, surroundings, quality } = face;
    const shot = { aligned, surroundings, quality, streamMs: captured.streamMs, releaseDigest };
    this.#bestShots.offer(shot, { limit: policy.bestShots, spacingMs: policy.shotSpacingMs });
  }

  /** Takes a frame in which the detector was too unsure of the face for anything but to say that it is there. */
  glimpse({ index, streamMs, capturedAt }: Observation['captured']): void {
    this.#last = { ...this.#last, captured: { index, streamMs, capturedAt } };
  }

  /** Whether the sighting should open, or be updated, now that its latest frame was observed. */
  get isDue(): boolean {
    const policy = this.#dependencies.policy();
    const best = this.#bestShots.shots[0];
    if (!best) return false;
    if (this.#wasClosed) return true;
    const nowMs = this.#last.captured.streamMs;
    if (this.#sentQuality === undefined) {
      const seenMs = nowMs - this.#first.captured.streamMs;
      return this.#goodShots >= policy.openAfterShots || seenMs >= policy.openAfterMs;
    }
    const isBetter = best.quality >= this.#sentQuality + policy.updateGain;
    return isBetter && nowMs - this.#sentAtStreamMs >= policy.updateIntervalMs;
  }

  /** Whether a revision of it was made, so that it stands for itself. */
  get isReported(): boolean {
    return this.#isReported;
  }

  /** Whether it was closed, and nobody has come back since. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether nothing is lost when it is looked at less often. */
  get isSettled(): boolean {
    return this.#isReported || this.#last.captured.streamMs - this.#first.captured.streamMs >= SETTLING_MS;
  }

  /** Whether {@link look} has ended: what can be known of how the track looks is known. */
  get hasLooked(): boolean {
    return this.#look === 'done';
  }

  /** Templates of its best shots, as far as they were made. */
  get templates(): readonly Template[] {
    return this.#bestShots.shots.flatMap((shot) => this.#templates.get(shot) ?? []);
  }

  /** Embeds the best shots before anything is reported, once, so that the track can be compared. Never rejects. */
  async look(): Promise<void> {
    if (this.#look !== 'not yet') return;
    this.#look = 'under way';
    const { shots } = this.#bestShots;
    await this.#runner.run(() => this.#embed(shots));
    this.#look = 'done';
  }

  /** Goes on as a later track of the same person, of which nothing was reported; also when it was closed. */
  absorb(later: SightingTrack): void {
    const policy = this.#dependencies.policy();
    this.#wasClosed ||= this.#isClosed;
    this.#isClosed = false;
    this.#last = later.#last;
    this.#frames += later.#frames;
    this.#bestQuality = Math.max(this.#bestQuality, later.#bestQuality);
    for (const shot of later.#bestShots.shots) {
      if (!this.#mayUse(shot.releaseDigest)) continue;
      const template = later.#templates.get(shot);
      if (template) this.#templates.set(shot, template);
      this.#presentations.adopt(shot, later.#presentations);
      this.#goodShots += 1;
      this.#bestShots.offer(shot, { limit: policy.bestShots, spacingMs: policy.shotSpacingMs });
    }
  }

  /** Stores an open or an update revision. Never rejects. */
  report(): Promise<void> {
    const phase = this.#isReported ? SightingPhase.UPDATE : SightingPhase.OPEN;
    this.#wasClosed = false;
    this.#sentQuality = this.#bestShots.shots[0]?.quality ?? 0;
    this.#sentAtStreamMs = this.#last.captured.streamMs;
    return this.#revise(phase, CloseReason.UNSPECIFIED);
  }

  /** Stores a closing revision: the last one, unless it goes on within the cooldown. Never rejects. */
  close(reason: ClosingReason): Promise<void> {
    this.#isClosed = true;
    this.#sentQuality = this.#bestShots.shots[0]?.quality ?? this.#sentQuality;
    return this.#revise(SightingPhase.CLOSE, reason);
  }

  /** Before the first template, a new release takes over; after it, only its own release may add to them. */
  #mayUse(releaseDigest: string): boolean {
    if (releaseDigest === this.#releaseDigest) return true;
    if (this.#sentQuality !== undefined) return false;
    this.#releaseDigest = releaseDigest;
    this.#goodShots = 0;
    this.#bestShots.keepOnly(releaseDigest);
    return true;
  }

  #revise(phase: SightingPhase, closeReason: CloseReason): Promise<void> {
    this.#isReported = true;
    // What is known now is what the revision says, whenever its turn comes.
    const { shots } = this.#bestShots;
    const { captured: last } = this.#last;
    const facts = { phase, closeReason, frames: this.#frames, quality: shots[0]?.quality ?? this.#bestQuality };
    return this.#runner.run(async () => {
      const { deviceClock, store, presentation, log } = this.#dependencies;
      const templates = await this.#embed(shots);
      const presentationAttack = this.#presentations.of(shots, presentation);
      const taken =
        phase === SightingPhase.CLOSE && mayBeIdentified(presentationAttack) ? await this.#image(shots) : undefined;
      const sighting = this.#compose({ ...facts, ...(presentationAttack && { presentationAttack }) }, last, templates);
      try {
        await store(sightingRecord(sighting, deviceClock.deviceTime()));
        this.#revision = sighting.revision;
        if (taken) this.#dependencies.images?.recorded(taken);
      } catch (error) {
        this.#imageDigest = taken ? undefined : this.#imageDigest;
        if (taken) await this.#dependencies.images?.unrecorded(taken);
        const code = isAppError(error) ? error.code : 'SIGHTING.NOT_STORED';
        log.error({ code, sightingId: this.#id, revision: sighting.revision }, 'a sighting could not be recorded');
      }
    });
  }

  /** Seals the best shot, once, where something was recognised by it. @returns its digest when it is new */
  async #image([best]: readonly Shot[]): Promise<Uint8Array | undefined> {
    if (best === undefined || this.#imageDigest !== undefined || !this.#templates.has(best)) return undefined;
    this.#imageDigest = await this.#dependencies.images?.take(best, this.#id);
    return this.#imageDigest;
  }

  /** @returns the templates of the shots, best first, without those that could not be made */
  async #embed(shots: readonly Shot[]): Promise<readonly Template[]> {
    const missing = shots.filter((shot) => !this.#templates.has(shot));
    if (missing.length > 0) {
      try {
        await this.#dependencies.slot.use(async ({ digest, recogniser, protector }) => {
          if (digest !== this.#releaseDigest) return;
          const { templates, embedMs } = await recogniser.embed(missing, { protector, codec: 'int8' });
          this.#stageTimes.add('embed', embedMs / missing.length);
          for (const [index, template] of templates.entries()) {
            const shot = missing[index];
            if (shot) this.#templates.set(shot, template);
          }
          const presentationMs = await this.#presentations.add(missing, recogniser);
          if (presentationMs !== undefined) this.#stageTimes.add('presentation', presentationMs);
        });
      } catch (error) {
        const code = isAppError(error) ? error.code : 'RECOGNITION.FAILED';
        const facts = { code, sightingId: this.#id, cause: errorMessage(error) };
        this.#dependencies.log.error(facts, 'shots of a sighting could not be embedded');
      }
    }
    return shots.flatMap((shot) => this.#templates.get(shot) ?? []);
  }

  #compose(
    facts: Pick<Sighting, 'phase' | 'closeReason' | 'frames' | 'quality' | 'presentationAttack'>,
    last: Observation['captured'],
    templates: readonly Template[],
  ): Sighting {
    const { cameraId, deviceClock, decideLocally } = this.#dependencies;
    const revision = this.#revision + 1;
    // Where a living face is required and was not seen, nobody is even looked for.
    const mayDecide = mayBeIdentified(facts.presentationAttack);
    const localDecision = mayDecide ? decideLocally?.({ sightingId: this.#id, revision, templates }) : undefined;
    return create(SightingSchema, {
      ...facts,
      ...(localDecision && { localDecision }),
      ...(this.#imageDigest && { sealedImageDigest: this.#imageDigest }),
      sightingId: this.#id,
      revision,
      cameraId,
      firstSeenAt: deviceClock.deviceTime(this.#first.captured.capturedAt),
      lastSeenAt: deviceClock.deviceTime(last.capturedAt),
      releaseDigest: this.#releaseDigest,
      templates: templates.map(wireTemplate),
      stageMs: this.#stageTimes.medians(),
    });
  }
}
