import type { rest } from '@sightline/contracts';

import type { HubReady } from '../hub-config.js';
import type { DemoSummary } from './summary.js';
import { tableHead, tableRow } from './table.js';

export interface Welcome {
  readonly hub: HubReady;
  readonly adminKey: string;
  readonly enrolled: number;
  readonly falseMatchRate: number;
}

/** What the demo prints. */
export class DemoScreen {
  readonly #output: { write(text: string): unknown };
  readonly #shown = new Set<string>();

  constructor(output: { write(text: string): unknown }) {
    this.#output = output;
  }

  say(text: string): void {
    this.#output.write(`${text}\n`);
  }

  welcome({ hub, adminKey, enrolled, falseMatchRate }: Welcome): void {
    this.say(`
${enrolled} people are enrolled; others will pass who are not. A match has to reach the bar of a false-match rate of
${falseMatchRate.toExponential(0)} a comparison. There are few people, and most frames come from the photo that was enrolled: this shows the path
that a face takes, not how well faces are recognised.

  live page          ${hub.apiUrl}/live
  its API key        ${adminKey}
  REST interface     ${hub.apiUrl}/docs
  model registry     ${hub.registryUrl}/docs
  live as events     curl -N -H "Authorization: Bearer ${adminKey}" ${hub.apiUrl}/v1/sightings/live
  MQTT broker        ${hub.mqttUrl}

${tableHead()}`);
  }

  /** A row for a sighting that has ended; each sighting once. */
  show(sighting: rest.Sighting): void {
    if (sighting.phase !== 'close' || this.#shown.has(sighting.id)) return;
    this.#shown.add(sighting.id);
    this.say(tableRow(sighting));
  }

  result(summary: DemoSummary): void {
    const { stageMs } = summary;
    const stages = Object.entries(stageMs).map(([stage, ms]) => `${stage} ${ms} ms`);
    this.say(`
${summary.sightings} sightings of ${summary.passes} passes; ${summary.lost} lost, ${summary.duplicates} duplicates
enrolled people     ${summary.identified} of ${summary.ofEnrolled} identified, ${summary.misidentified} taken for somebody else
strangers           ${summary.unknownAsSomeone} of ${summary.ofUnknown} taken for somebody
release             ${summary.release.version} (${summary.release.digest.slice(0, 12)})
medians             ${stages.join(', ')}`);
  }
}
