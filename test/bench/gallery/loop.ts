import { decodeTemplate } from '@sightline/template-protection';

import { JavaScriptLoop } from './brute-force.js';
import { probeOf, samplesEach } from './faces.js';
import { repeat, timesOf, type Times } from './times.js';

const searches = 30;

/** The loop over galleries of several sizes. */
export async function measureLoop(sizes: Readonly<Record<string, number>>): Promise<Readonly<Record<string, Times>>> {
  const reports: Record<string, Times> = {};
  for (const [size, templates] of Object.entries(sizes)) {
    const loop = new JavaScriptLoop(templates);
    const people = Math.floor(templates / samplesEach);
    const ms = await repeat(searches, (index) => loop.nearest(decodeTemplate(probeOf((index * 7919) % people))));
    reports[size] = timesOf(ms);
  }
  return reports;
}
