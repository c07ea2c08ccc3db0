import type { DetectionEvaluation, PresentationAttackEvaluation } from '../evaluation-report.js';
import { html, type Markup } from './markup.js';
import { meter, percent, section, table } from './sections.js';

export function detectionSections({ dataSet, agreement, ...found }: DetectionEvaluation): Markup {
  const rows: (readonly [string, string])[] = [
    ['images', dataSet.images.toLocaleString('en')],
    ['people found', percent(found.recall)],
    ['further faces', found.furtherFaces.toLocaleString('en')],
    ['median quality of the faces', found.medianQuality.toFixed(3)],
  ];
  const parentRows: (readonly [string, string])[] = agreement
    ? [
        ['found by both', agreement.foundByBoth.toLocaleString('en')],
        ['by the parent alone', String(agreement.foundByParentAlone)],
        ['by this variant alone', String(agreement.foundByVariantAlone)],
        ['overlap of the boxes: mean', agreement.overlap.mean.toFixed(4)],
        ['lowest hundredth', agreement.overlap.p1.toFixed(4)],
        ['lowest', agreement.overlap.min.toFixed(4)],
        ['shift of the five points, eye distances: mean', agreement.pointShift.mean.toFixed(4)],
        ['highest hundredth', agreement.pointShift.p99.toFixed(4)],
        ['highest', agreement.pointShift.max.toFixed(4)],
      ]
    : [];
  const withParent = agreement && section('Agreement with its parent', table(['', ''], parentRows));
  return html`${section(`Faces of ${dataSet.name}`, table(['', ''], rows))}${withParent}`;
}

export function presentationSections(evaluation: PresentationAttackEvaluation): Markup {
  const { live, species, atBpcer, atThreshold, agreement } = evaluation;
  const wanted = atBpcer[1];
  const kinds = Object.entries(species).map(([name, { presentations, medianScore, areaUnderCurve }]) => [
    name,
    presentations,
    medianScore.toFixed(3),
    areaUnderCurve.toFixed(3),
    percent(wanted?.apcer[name] ?? 1, 1),
    meter(wanted?.apcer[name] ?? 1),
  ]);
  const thresholds = [...atThreshold, ...atBpcer].map(({ threshold, bpcer, worstApcer }) => [
    threshold.toFixed(3),
    percent(bpcer, 1),
    percent(worstApcer, 1),
  ]);
  const changed =
    agreement &&
    html`<p>
      Of ${agreement.presentations} presentations, ${percent(agreement.changedDecisions, 1)} fall on the other side of
      0.5 than with the parent; a score moves by at most ${agreement.largestDifference.toFixed(3)}.
    </p>`;
  return section(
    'Attacks, made in code',
    html`<p class="soft">
        ${live.people} living people (median score ${live.medianScore}) and attacks made of their photographs. They
        prove little where the figures are good, and enough where they are bad.
      </p>
      ${changed} ${table(['attack', 'presented', 'median', 'area under curve', 'pass at BPCER 10 %', ''], kinds)}
      ${table(['threshold', 'BPCER', 'APCER of the worst'], thresholds)}`,
  );
}
