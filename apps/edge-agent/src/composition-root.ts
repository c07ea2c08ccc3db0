import { join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import {
  AppError,
  errorMessage,
  StopStack,
  systemClock,
  type Clock,
  type DeviceId,
  type Logger,
  type TenantId,
} from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import { availableProviders } from '@sightline/onnx-runtime';
import { decodeImage, openRecogniser, runSelfTest, type Recogniser } from '@sightline/recognition';
import { ReleaseClient, ReleaseStore } from '@sightline/release-trust';

import { agentVersion } from './agent-version.js';
import { composeCache } from './cache/compose-cache.js';
import type { LocalCache } from './cache/local-cache.js';
import { AgentActions } from './actions/agent-actions.js';
import { openSource } from './capture/open-source.js';
import { parseEdgeAgentConfig, type EdgeAgentConfig, type EdgeAgentConfigInput } from './config/config.js';
import { claimDataDirectory, lockDataDirectory } from './config/data-directory-lock.js';
import { composeImages, type AgentImages } from './images/compose-images.js';
import { DeviceClock } from './device-clock.js';
import { RunningEdgeAgent, type EdgeAgent } from './edge-agent.js';
import { benchmarkForBirth } from './operation/benchmark-file.js';
import { Operation } from './operation/operation.js';
import { RecognitionMeter } from './operation/recognition-meter.js';
import { openOutboxStore } from './outbox/open-outbox-store.js';
import { Outbox } from './outbox/outbox.js';
import { CameraPipeline } from './pipeline/camera-pipeline.js';
import { activeRelease } from './pipeline/active-release.js';
import { closeLeftOpen } from './pipeline/close-left-open.js';
import { RecogniserSlot } from './pipeline/recogniser-slot.js';
import { TrustedTime } from './trusted-time.js';
import { DesiredSettings } from './update/desired-settings.js';
import { DesiredVersionsFile } from './update/desired-versions.js';
import { ReleaseReporter } from './update/release-reporter.js';
import { ReleaseUpdater, type ReleaseUpdaterOptions } from './update/release-updater.js';
import { UpdateJournal } from './update/update-journal.js';
import { BatchSender } from './uplink/batch-sender.js';
import type { BoxTemplateKey } from './uplink/box-template-key.js';
import { composeCertificates } from './uplink/certificates/compose-certificates.js';
import { RestartableSource } from './uplink/commands/restartable-source.js';
import { composeUplinkParts } from './uplink/compose-parts.js';
import { DeviceState } from './uplink/device-state.js';
import { IdentificationInbox } from './uplink/identification-inbox.js';
import { openBoxTemplateKey } from './uplink/open-box-template-key.js';
import { Uplink } from './uplink/uplink.js';
import type { UplinkPart } from './uplink/uplink-part.js';

/** What the agent takes from outside, so that it runs on virtual time and seeded luck, and without models. */
export interface EdgeAgentSurroundings {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly openSource: typeof openSource;
  readonly openRecogniser: (bundle: VerifiedBundle) => Promise<Recogniser>;
  readonly selfTest: (bundle: VerifiedBundle) => Promise<void>;
  readonly releases: (directory: string) => Pick<ReleaseUpdaterOptions, 'client' | 'store'>;
}

/**
 * Starts an agent: closes what the last run left open, runs the active release, and connects. Cameras start as
 * soon as a release is active.
 *
 * @param surroundings in the place of the real ones
 * @throws AppError `CONFIG.INVALID`, `AGENT.ALREADY_RUNNING`, `PROVISIONING.OTHER_IDENTITY`, `OUTBOX.…`
 */
export async function startEdgeAgent(
  input: EdgeAgentConfigInput,
  surroundings: Partial<EdgeAgentSurroundings> = {},
): Promise<EdgeAgent> {
  const config = parseEdgeAgentConfig(input);
  const started = new StopStack();
  try {
    return await compose(config, { ...realSurroundings(config), ...surroundings }, started);
  } catch (error) {
    await started.stop();
    throw error;
  }
}

function realSurroundings(config: EdgeAgentConfig): EdgeAgentSurroundings {
  const log = createLogger({ name: 'edge-agent', level: config.logLevel });
  const { workers, providers } = config.recognition;
  const { repositoryUrl, trustedRoot } = config.provisioning.release;
  const presentationAttack = looksForAttacks(config);
  return {
    clock: systemClock,
    random: Math.random,
    log,
    openSource,
    openRecogniser: (bundle) => openRecogniser({ bundle, workers, providers, presentationAttack, log }),
    selfTest: (bundle) => runSelfTest(bundle, { providers, log }),
    releases: (directory) => ({
      client: new ReleaseClient({
        repositoryUrl,
        directory,
        trustedRoot: Buffer.from(trustedRoot, 'base64'),
        download: { bytesPerSecond: config.update.bytesPerSecond },
        clock: systemClock,
        log,
      }),
      store: new ReleaseStore({ directory, clock: systemClock }),
    }),
  };
}

async function compose(config: EdgeAgentConfig, given: EdgeAgentSurroundings, started: StopStack): Promise<EdgeAgent> {
  const meter = new RecognitionMeter();
  const surroundings: EdgeAgentSurroundings = {
    ...given,
    openRecogniser: async (bundle) => meter.watch(await given.openRecogniser(bundle)),
  };
  const { clock, random, log } = surroundings;
  const fatal = new AbortController();
  const unlock = await lockDataDirectory(config.dataDirectory);
  started.push(unlock);
  await claimDataDirectory(config.dataDirectory, config.provisioning, log);
  const core = await openCore(config, surroundings, started, (error) => fatal.abort(error));
  const { deviceClock, trustedTime, outbox, slot, cache, actions } = core;

  let report: (change: Change) => void = () => undefined;
  const desired = composeDesired(core, meter, (change) => report(change));
  const { settings, updater } = desired;
  started.push(() => updater.stop());
  const identifications = new IdentificationInbox(deviceClock, config.delivery.identificationBoundMs);
  let pipelines: readonly CameraPipeline[] = [];
  const sources = new Map<string, RestartableSource>();
  const { health, commands } = composeUplinkParts({
    ...{ config, outbox, slot, meter, deviceClock, trustedTime, sources, clock, random, log },
    cameras: () => pipelines.map(({ status }) => status),
    resyncGallery: cache && (() => uplink.reportChange({ birth: true })),
  });
  const keyChanged = (): void => {
    // The release that runs is opened with the new key; one that is just being activated has it already.
    void updater
      .reopen()
      .catch((error: unknown) => log.error({ error: errorMessage(error) }, 'the release could not be opened anew'))
      .then(() => report('running'));
  };
  const uplink = composeUplink(core, { ...desired, identifications, parts: [health, commands], keyChanged });
  report = (change) => {
    if (change === 'settings') uplink.pump();
    if (change === 'running') health.releaseChanged();
    void uplink.reportChange({ birth: change === 'running' });
  };
  started.push(() => uplink.stop());

  const operation = new Operation({
    ...{ config, agentVersion: agentVersion(), meter, slot, outbox, clock, random, log },
    reopenRelease: () => updater.reopen(),
    fail: (error) => fatal.abort(error),
  });
  started.push(() => operation.stop());
  const images = openImages(core, settings);
  started.push(() => images.stop());
  pipelines = await openPipelines(core, settings, { sources, images });
  await updater.runActive();
  await uplink.start();
  images.start();
  const { tenantId: tenant, deviceId: device } = config.provisioning;
  log.info({ tenant, device, cameras: config.cameras.length }, 'agent started');
  const parts = { config, outbox, slot, updater, uplink, pipelines, identifications, cache, actions, images };
  const agent = new RunningEdgeAgent({ ...parts, operation, clock, log, unlock, fatal: fatal.signal });
  await operation.start(() => agent.status());
  return agent;
}

/** Opens what every part shares. What is opened is stopped with `started` when the start fails. */
async function openCore(
  config: EdgeAgentConfig,
  surroundings: EdgeAgentSurroundings,
  started: StopStack,
  onFatal: (error: AppError) => void,
): Promise<Core> {
  const { clock, log } = surroundings;
  const { dataDirectory, provisioning } = config;
  const deviceClock = new DeviceClock(clock);
  const outbox = openOutbox(config, surroundings, deviceClock, onFatal);
  started.push(() => outbox.close());
  const slot = new RecogniserSlot();
  started.push(() => slot.close());
  const path = join(dataDirectory, 'trusted-time.json');
  const trustedTime = new TrustedTime({ path, clock, log, isSynchronised: () => deviceClock.synchronised });
  started.push(() => trustedTime.persist());
  const key = openBoxTemplateKey(config, log);
  const cache = await composeCache({
    ...{ dataDirectory, provisioning, trustedTime, deviceClock, log, config: config.cache },
    keyId: () => key.keyId,
    running: () => slot.current,
  });
  started.push(() => cache?.close());
  const site = { id: provisioning.siteId };
  const actions = openActions({ config, cache, deviceClock, site }, surroundings);
  started.push(() => actions.close(0));
  return { config, surroundings, deviceClock, trustedTime, outbox, slot, cache, actions, key, site };
}

function openActions(
  { config, cache, deviceClock, site }: Pick<Core, 'config' | 'cache' | 'deviceClock' | 'site'>,
  { clock, random, log }: EdgeAgentSurroundings,
): AgentActions {
  const { actions: rules, dataDirectory, provisioning } = config;
  const { tenantId, deviceId } = provisioning;
  const origin = {
    ...{ tenantId, deviceId },
    get siteId() {
      return site.id;
    },
  };
  return new AgentActions({
    ...{ rules, dataDirectory, origin, environment: process.env, clock, random, log },
    isClockTrusted: () => deviceClock.synchronised,
    groupsOf: (personId) => cache?.groupsOf(personId) ?? [],
  });
}

/** What every part of the agent shares. */
interface Core {
  readonly config: EdgeAgentConfig;
  readonly surroundings: EdgeAgentSurroundings;
  readonly deviceClock: DeviceClock;
  /** For leases and expiry. */
  readonly trustedTime: TrustedTime;
  readonly outbox: Outbox;
  readonly slot: RecogniserSlot;
  /** Undefined where the box has none. */
  readonly cache: LocalCache | undefined;
  readonly actions: AgentActions;
  readonly key: BoxTemplateKey;
  /** Where the box is; the cloud may move it. */
  readonly site: { id: string };
}

/** What the cloud should hear of. */
type Change = 'settings' | 'state' | 'running';

function openOutbox(
  config: EdgeAgentConfig,
  { clock, random, log }: EdgeAgentSurroundings,
  deviceClock: DeviceClock,
  onFatal: (error: AppError) => void,
): Outbox {
  const { maximumBytes } = config.outbox;
  const store = openOutboxStore({ path: join(config.dataDirectory, 'outbox.db'), maximumBytes, clock, log });
  const leftOpen = store.openSightings();
  const outbox = new Outbox(store, { ...config.outbox, clock, random, log, onFatal });
  // Not waited for: on a full disk it lasts until the cloud, which is yet to be reached, has acknowledged something.
  void closeLeftOpen(outbox, leftOpen, deviceClock, log);
  return outbox;
}

function composeDesired(
  { config, surroundings, slot, deviceClock, key, site }: Core,
  meter: RecognitionMeter,
  onChange: (change: Change) => void,
): { readonly settings: DesiredSettings; readonly updater: ReleaseUpdater; readonly steps: ReleaseReporter } {
  const { clock, random, log, releases, selfTest } = surroundings;
  const versions = new DesiredVersionsFile(join(config.dataDirectory, 'desired.json'), log);
  const defaults = { sighting: config.sighting, delivery: config.delivery };
  const settings: DesiredSettings = new DesiredSettings({
    ...{ defaults, versions, log, siteId: site.id },
    onChange: () => {
      site.id = settings.siteId;
      onChange('settings');
    },
  });
  site.id = settings.siteId;
  const steps: ReleaseReporter = new ReleaseReporter({ remembered: () => journal.current, deviceClock, log });
  const path = join(config.dataDirectory, 'update.json');
  const journal = new UpdateJournal({ path, clock, log, onStep: (update) => steps.observe(update) });
  const updater = new ReleaseUpdater({
    ...releases(join(config.dataDirectory, 'releases')),
    ...{ slot, selfTest, versions, journal, onChange, clock, random, log },
    open: async (bundle) =>
      activeRelease(bundle, await surroundings.openRecogniser(bundle), key.current, { config, log }),
    policy: config.update,
    failures: () => meter.counts.failures,
    repositoryUrl: config.provisioning.release.repositoryUrl,
  });
  return { settings, updater, steps };
}

interface UplinkParts {
  readonly settings: DesiredSettings;
  readonly updater: ReleaseUpdater;
  readonly steps: ReleaseReporter;
  readonly identifications: IdentificationInbox;
  readonly parts: readonly UplinkPart[];
  /** The box protects with another key from now on. Never throws. */
  readonly keyChanged: () => void;
}

function composeUplink(core: Core, own: UplinkParts): Uplink {
  const { settings, updater, identifications, keyChanged } = own;
  const { config, deviceClock, outbox, slot, key } = core;
  const { clock, random, log } = core.surroundings;
  const { tenantId, deviceId, mqtt } = config.provisioning;
  const certificates = composeCertificates({ config, trustedTime: core.trustedTime, clock, random, log });
  const state = new DeviceState({
    ...{ deviceClock, outbox, keyId: () => key.keyId, agentVersion: agentVersion() },
    cameraIds: config.cameras.map(({ id }) => id),
    availableProviders: availableProviders(),
    benchmark: () => benchmarkForBirth(config.dataDirectory),
    running: () => slot.current,
    release: () => updater.state,
    config: () => settings.state,
    gallery: () => core.cache?.holding,
  });
  return new Uplink({
    ...{ outbox, state, identifications, clock, log, cache: core.cache, trustedTime: core.trustedTime },
    parts: [...own.parts, own.steps, ...certificates.parts],
    mqtt: {
      ...{ url: mqtt.url, username: mqtt.username, password: mqtt.password },
      ...(certificates.tls && { tls: certificates.tls }),
      reconnect: { baseMs: config.uplink.reconnectBaseMs, capMs: config.uplink.reconnectCapMs },
    },
    address: { tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId },
    createSender: (publish) =>
      new BatchSender({
        ...{ outbox, publish, deviceClock, clock, random, log },
        policy: () => settings.policies.delivery,
        onSent: (sequence, recordedAt) => identifications.expect(sequence, recordedAt),
      }),
    onIdentification: (identification) => core.actions.identified(identification),
    onDesiredRelease: (desired) => updater.desire(desired),
    onDesiredConfig: (desired) => {
      settings.desire(desired);
      void key.take(desired.templateKey).then((isOther) => (isOther ? keyChanged() : undefined));
    },
  });
}

function openImages({ config, outbox, surroundings }: Core, settings: DesiredSettings): AgentImages {
  const { clock, random, log } = surroundings;
  return composeImages({ config, outbox, policy: () => settings.images, clock, random, log });
}

function openPipelines(
  core: Core,
  settings: DesiredSettings,
  { sources, images }: { readonly sources: Map<string, RestartableSource>; readonly images: AgentImages },
): Promise<readonly CameraPipeline[]> {
  const { config, slot, outbox, deviceClock, surroundings } = core;
  const { clock, random, log } = surroundings;
  const { closeAfterMs } = settings.policies.sighting;
  return Promise.all(
    config.cameras.map(async (camera) => {
      const decode = (bytes: Uint8Array): ReturnType<typeof decodeImage> => decodeImage(bytes);
      const opened = await surroundings.openSource(camera, { decode, closeAfterMs, clock, log });
      const source = new RestartableSource(opened);
      sources.set(camera.id, source);
      return new CameraPipeline({
        ...{ cameraId: camera.id, source, slot, deviceClock, clock, random, log },
        regionOfInterest: camera.regionOfInterest,
        presentation: camera.presentationAttack,
        sparing: { motionGate: camera.motionGate, detectionRate: camera.detection },
        tiles: camera.detection.tiles,
        store: (record) => {
          core.actions.recorded(record.payload);
          return outbox.append(record);
        },
        decideLocally: (probe) => core.cache?.decide(probe),
        images: images.sightings,
        policy: () => settings.policies.sighting,
      });
    }),
  );
}

function looksForAttacks({ cameras }: EdgeAgentConfig): boolean {
  return cameras.some(({ presentationAttack }) => presentationAttack.mode !== 'off');
}
