import { join } from 'node:path';

import type { Clock, Logger } from '@sightline/kernel';

import type { ActionRule, CommandConfig, MqttActionConfig, WebhookConfig } from '../config/actions-config.js';
import type { ActionOrigin } from './action-event.js';
import { ActionJournal } from './action-journal.js';
import { Command } from './command.js';
import { LocalActions } from './local-actions.js';
import { MqttPublication } from './mqtt-publication.js';
import type { Performer } from './performer.js';
import { ProgramLauncher } from './program-launcher.js';
import { RuleRunner, type SettledAction } from './rule-runner.js';
import { invalid, readFile, Secrets } from './secrets.js';
import { Webhook } from './webhook.js';

export interface ComposeActionsOptions {
  readonly rules: readonly ActionRule[];
  readonly dataDirectory: string;
  readonly origin: ActionOrigin;
  readonly isClockTrusted: () => boolean;
  /** Where secrets are looked up. */
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly onSettled?: (settled: SettledAction) => void;
  /** In the place of the one in the data directory. */
  readonly journal?: Pick<ActionJournal, 'begin' | 'end' | 'interrupted' | 'close'>;
}

/**
 * Makes the rules of the configuration work.
 *
 * @throws AppError `CONFIG.INVALID` for a secret or a file that is not there
 */
export function composeActions(options: ComposeActionsOptions): LocalActions {
  const { rules, dataDirectory, origin, isClockTrusted, environment, clock, random, log } = options;
  const { onSettled = () => undefined } = options;
  const secrets = new Secrets(environment);
  let launcher: ProgramLauncher | undefined;
  const launch = (): ProgramLauncher => (launcher ??= new ProgramLauncher());
  // All secrets are read before anything is opened.
  const open = rules.map((rule) => performerOf(rule, { key: `actions.${rule.id}.do`, secrets, launch, ...options }));
  const journal = options.journal ?? new ActionJournal({ path: join(dataDirectory, 'actions.db'), log });
  const runners = rules.map((rule, index) => {
    const performer = open[index]?.() ?? unopened(rule.id);
    return new RuleRunner({ rule, performer, journal, origin, clock, isClockTrusted, random, log, onSettled });
  });
  const onClosed = (): void => launcher?.close();
  return new LocalActions({ runners, journal, clock, isClockTrusted, onClosed });
}

interface Context extends ComposeActionsOptions {
  readonly key: string;
  readonly secrets: Secrets;
  readonly launch: () => ProgramLauncher;
}

function performerOf(rule: ActionRule, context: Context): () => Performer {
  const { do: action } = rule;
  if (action.kind === 'webhook') return webhookOf(action, context);
  if (action.kind === 'mqtt') return publicationOf(action, rule.id, context);
  return commandOf(action, context);
}

function webhookOf(config: WebhookConfig, { key, secrets, clock }: Context): () => Performer {
  const { method, timeoutMs, allowPublicPlainText, signingSecret, certificateAuthorityFile: file } = config;
  const text = typeof config.url === 'string' ? config.url : secrets.read(config.url, `${key}.url`);
  if (!/^https?:/i.test(text) || !URL.canParse(text)) {
    throw invalid(`${key}.url`, 'what it refers to is no URL of http or https');
  }
  const headers = Object.fromEntries(
    Object.entries(config.headers).map(([name, reference]) => [
      name,
      secrets.read(reference, `${key}.headers.${name}`),
    ]),
  );
  const options = {
    url: new URL(text),
    ...{ method, headers, timeoutMs, allowPublicPlainText, clock },
    signingSecret: signingSecret && secrets.read(signingSecret, `${key}.signingSecret`),
    certificateAuthority: file && readFile(file, `${key}.certificateAuthorityFile`),
  };
  return () => new Webhook(options);
}

function publicationOf(config: MqttActionConfig, ruleId: string, context: Context): () => Performer {
  const { key, secrets, origin, clock, log } = context;
  const { url, username, topic, payload, timeoutMs, certificateAuthorityFile: file } = config;
  const options = {
    ...{ url, username, topic, payload, timeoutMs, clock, log },
    clientId: `sightline-${origin.deviceId}-${ruleId}`,
    password: config.password && secrets.read(config.password, `${key}.password`),
    certificateAuthority: file && readFile(file, `${key}.certificateAuthorityFile`),
  };
  return () => new MqttPublication(options);
}

function commandOf(config: CommandConfig, { key, secrets, launch }: Context): () => Performer {
  const environment = Object.fromEntries(
    Object.entries(config.environment).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : secrets.read(value, `${key}.environment.${name}`),
    ]),
  );
  const { program, arguments: texts, timeoutMs } = config;
  return () => new Command({ program, arguments: texts, environment, timeoutMs, launcher: launch() });
}

function unopened(ruleId: string): never {
  throw new Error(`the rule ${ruleId} has no performer`);
}
