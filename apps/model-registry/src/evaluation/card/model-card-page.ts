import type { EvaluationReport } from '../evaluation-report.js';
import { detectionSections, presentationSections } from './detection-sections.js';
import { embedderSections, embedderTiles } from './embedder-sections.js';
import { html, type Markup } from './markup.js';
import type { ModelCard } from './model-card.js';
import { modelCardStyle } from './model-card-style.js';
import { meter, percent, section, table, tile } from './sections.js';

const taskNames: Readonly<Record<ModelCard['model']['task'], string>> = {
  detector: 'Face detection',
  landmarks: 'Facial landmarks',
  embedder: 'Face embedding',
  presentationAttack: 'Presentation-attack detection',
};

/** A card as one HTML page: no script, nothing that is loaded, whatever the card's texts hold. */
export function modelCardPage(card: ModelCard): string {
  const { model, provenance, evaluation } = card;
  const page = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>${provenance.name}: model card</title>
      <style>
        ${{ markup: modelCardStyle }}
      </style>
    </head>
    <body>
      <main>
        <header>
          <h1>${provenance.name}</h1>
          <div class="soft">
            ${taskNames[model.task]} · variant ${model.variant} · written ${card.generatedAt.slice(0, 10)}
          </div>
        </header>
        <div class="tiles">
          ${tile(`${(model.bytes / 1e6).toFixed(2)} MB`, 'file')}${evaluation && tilesOf(evaluation)}
        </div>
        ${list(
          card.unstated,
          (items) =>
            html`<div class="unstated">
              <h2>Unstated</h2>
              ${items}
            </div>`,
        )}
        ${list(card.intendedUse, (items) => section('Intended use', items))}
        ${list(card.limits, (items) => section('Limits', items))} ${evaluation && sectionsOf(evaluation)}
        ${latencySection(card.latency)} ${originSection(card)}
      </main>
    </body>
  </html>`;
  return `<!doctype html>\n${page.markup}\n`;
}

function tilesOf(evaluation: EvaluationReport): Markup {
  switch (evaluation.task) {
    case 'embedder':
      return embedderTiles(evaluation);
    case 'detector':
    case 'landmarks':
      return html`${tile(percent(evaluation.recall), 'of the people in the images are found')}`;
    case 'presentationAttack':
      return html`${tile(percent(evaluation.atBpcer[1]?.worstApcer ?? 1), 'of the worst attack pass where 10 % of the living are refused')}`;
  }
}

function sectionsOf(evaluation: EvaluationReport): Markup {
  switch (evaluation.task) {
    case 'embedder':
      return embedderSections(evaluation);
    case 'detector':
    case 'landmarks':
      return detectionSections(evaluation);
    case 'presentationAttack':
      return presentationSections(evaluation);
  }
}

function list(items: readonly string[], wrapped: (list: Markup) => Markup): Markup | undefined {
  return items.length === 0
    ? undefined
    : wrapped(
        html`<ul>
          ${items.map((item) => html`<li>${item}</li>`)}
        </ul>`,
      );
}

function latencySection(latency: ModelCard['latency']): Markup | undefined {
  if (latency.length === 0) return undefined;
  const slowest = Math.max(...latency.map(({ ms }) => ms));
  const rows = latency
    .toSorted((one, other) => one.ms - other.ms)
    .map(({ deviceClass, provider, devices, ms }) => [
      deviceClass,
      provider,
      devices,
      `${ms.toFixed(1)} ms`,
      meter(ms / slowest),
    ]);
  const note = html`<p class="soft">Medians of what boxes have measured of themselves, with nothing else running.</p>`;
  return section('Latency by kind of box', html`${note}${table(['box', 'provider', 'boxes', 'one input', ''], rows)}`);
}

function originSection({ model, provenance }: ModelCard): Markup {
  const { width, height, channels, mean, scale } = model.input;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Licence', provenance.licence],
    ['Source', provenance.source],
    ['Training data', provenance.trainingData],
    ['Made from', provenance.imported && `${provenance.imported.from}, by rewriter ${provenance.imported.rewriter}`],
    ['Note', provenance.note],
    ['Input', `${width} × ${height}, ${channels}, (value − ${mean.join(', ')}) / ${scale.join(', ')}`],
    ['Dimension', model.dimension?.toString()],
    ['SHA-256', model.digest],
  ];
  const rows = facts.map(
    ([name, value]) =>
      value &&
      html`<dt>${name}</dt>
        <dd>${value}</dd>`,
  );
  return section('Origin and file', html`<dl>${rows}</dl>`);
}
