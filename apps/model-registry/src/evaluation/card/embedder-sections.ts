import type { EmbedderEvaluation } from '../evaluation-report.js';
import { html, type Markup } from './markup.js';
import { histogramPlot, linearAxis, linePlot, logAxis } from './plots.js';
import { meter, oneIn, percent, section, table, tile } from './sections.js';

/** The rate that a release's figures are quoted at, or the rarest below which too few false matches were counted. */
function quoted({ operatingPoints }: EmbedderEvaluation) {
  return operatingPoints.find(({ falseMatchRate }) => falseMatchRate === 1e-4) ?? operatingPoints.at(-1);
}

export function embedderTiles(evaluation: EmbedderEvaluation): Markup {
  const point = quoted(evaluation);
  const { agreement, accuracy } = evaluation;
  return html`${
    point &&
    tile(percent(point.trueAcceptRate), `of true pairs match at a false-match rate of ${oneIn(point.falseMatchRate)}`)
  }${tile(
    percent(accuracy),
    'verification accuracy',
  )}${agreement && tile(agreement.cosine.mean.toFixed(4), 'mean cosine with its parent')}`;
}

export function embedderSections(evaluation: EmbedderEvaluation): Markup {
  const { agreement, subgroups, degraded } = evaluation;
  return html`${verification(evaluation)}${agreement && agreementSection(agreement)}${openSet(evaluation)}${
    degraded.length > 0 ? degradedSection(degraded) : undefined
  }${subgroups.length > 0 ? subgroupSection(subgroups) : undefined}`;
}

function verification(evaluation: EmbedderEvaluation): Markup {
  const { dataSet, genuinePairs, impostorPairs, operatingPoints, scores, roc } = evaluation;
  const note = `${dataSet.name}: ${dataSet.images.toLocaleString('en')} images of ${dataSet.identities.toLocaleString('en')}
    people, ${genuinePairs.toLocaleString('en')} pairs of one person and ${impostorPairs.toLocaleString('en')} of two;
    ${dataSet.withoutFace} images without a face that was found. Several views are enrolled, one is searched.`;
  const rows = operatingPoints.map((point) => [
    oneIn(point.falseMatchRate),
    percent(point.trueAcceptRate),
    point.interval95 ? `${percent(point.interval95[0])} – ${percent(point.interval95[1])}` : '–',
    `${point.threshold.toFixed(4)}${point.fitted ? ' *' : ''}`,
    point.falseMatches,
  ]);
  const lowest = Math.floor(Math.log10(Math.min(...roc.map(({ falseMatchRate }) => falseMatchRate))));
  const rate = logAxis('false-match rate', lowest, 0);
  const line = (of: (point: EmbedderEvaluation['roc'][number]) => number) => [
    {
      name: 'variant',
      colour: 1 as const,
      points: roc.map((point) => [point.falseMatchRate, of(point)] as const),
    },
  ];
  const floor = Math.max(0, Math.floor(20 * Math.min(...roc.map(({ trueAcceptRate }) => trueAcceptRate))) / 20);
  const ticks = (value: number): string => percent(value, floor > 0.8 ? 1 : 0);
  const [genuine, impostor] = [sharesOf(scores.genuine), sharesOf(scores.impostor)];
  const mark = quoted(evaluation);
  return section(
    'Verification',
    html`<p class="soft">${note}</p>
      ${table(['false-match rate', 'true accept rate', '95 % interval', 'threshold', 'false matches counted'], rows)}
      <p><small>* Fewer than 30 false matches: fitted, not counted. Intervals are over people.</small></p>
      <div class="plots">
        ${linePlot('ROC', {
          x: rate,
          y: linearAxis('true accept rate', floor, 1, ticks),
          series: line(({ trueAcceptRate }) => trueAcceptRate),
        })}
        ${linePlot('DET', {
          x: rate,
          y: logAxis('false non-match rate', -3, 0),
          series: line(({ trueAcceptRate }) => 1 - trueAcceptRate),
        })}
        ${histogramPlot('Scores', {
          x: linearAxis('cosine', -0.4, 1, undefined, 7),
          y: linearAxis('share of pairs', 0, Math.max(...genuine, ...impostor), (value) => percent(value, 0)),
          histograms: [
            { name: 'one person', colour: 1, from: scores.from, to: scores.to, shares: genuine },
            { name: 'two people', colour: 2, from: scores.from, to: scores.to, shares: impostor },
          ],
          marks: mark ? [{ value: mark.threshold, label: oneIn(mark.falseMatchRate) }] : [],
        })}
      </div>`,
  );
}

function agreementSection(agreement: NonNullable<EmbedderEvaluation['agreement']>): Markup {
  const { cosine, genuine, impostor, parent, mixed, faces } = agreement;
  const shares = sharesOf(cosine.histogram.counts);
  const shift = (name: string, of: typeof genuine) => [
    name,
    of.pairs.toLocaleString('en'),
    of.mean.toFixed(5),
    of.deviation.toFixed(5),
    of.kolmogorovSmirnov.toFixed(4),
  ];
  const rates = parent.map(({ falseMatchRate, trueAcceptRate }, at) => [
    oneIn(falseMatchRate),
    percent(trueAcceptRate),
    percent(mixed[at]?.trueAcceptRate ?? 0),
  ]);
  return section(
    'Agreement with its parent',
    html`<p>
        Of ${faces.toLocaleString('en')} faces, cosine ${cosine.mean.toFixed(5)} in the mean, ${cosine.p1.toFixed(5)} at
        the lowest hundredth, ${cosine.min.toFixed(5)} at worst.
      </p>
      ${table(
        ['scores of', 'pairs', 'mean shift', 'deviation', 'Kolmogorov–Smirnov'],
        [shift('one person', genuine), shift('two people', impostor)],
      )}
      ${table(['false-match rate', 'parent', "parent's templates, this variant's probes"], rates)}
      <div class="plots">
        ${histogramPlot('Cosine with the parent', {
          x: linearAxis('cosine', cosine.histogram.from, 1, (value) => value.toFixed(3)),
          y: linearAxis('share of faces', 0, Math.max(...shares), (value) => percent(value, 0)),
          histograms: [{ name: 'faces', colour: 1, from: cosine.histogram.from, to: cosine.histogram.to, shares }],
        })}
      </div>`,
  );
}

function openSet({ openSet: points }: EmbedderEvaluation): Markup {
  const rows = points.map(({ falsePositiveRate, falseNegativeRate, draws }) => [
    percent(falsePositiveRate, 0),
    percent(falseNegativeRate),
    `${percent(draws.mean)} ± ${(100 * draws.deviation).toFixed(2)}`,
  ]);
  return section(
    'Identification, open set',
    table(['strangers returned as somebody', 'people not found', 'over 20 draws of strangers'], rows),
  );
}

function degradedSection(degraded: EmbedderEvaluation['degraded']): Markup {
  const rows = degraded.map(({ name, trueAcceptRate, withoutFace, medianQuality }) => [
    name,
    percent(trueAcceptRate, 1),
    meter(trueAcceptRate),
    withoutFace,
    medianQuality.toFixed(2),
  ]);
  const note = html`<p class="soft">
    True accept rates of good templates and probes that were made worse, at the threshold of 1 false match in 1,000.
  </p>`;
  return section('Bad pictures', html`${note}${table(['probe', 'accepted', '', 'no face', 'quality'], rows)}`);
}

function subgroupSection(subgroups: EmbedderEvaluation['subgroups']): Markup {
  const rows = subgroups.flatMap(({ label, value, identities, genuinePairs, rates }) =>
    rates.map((rate) => [
      `${label}: ${value}`,
      identities,
      genuinePairs,
      oneIn(rate.falseMatchRate),
      rate.trueAcceptRate === null ? '–' : percent(rate.trueAcceptRate),
      rate.observedRate === null ? '–' : rate.observedRate.toExponential(1),
    ]),
  );
  const note = html`<p class="soft">
    At the thresholds of all people. False matches are between two people of the group.
  </p>`;
  const head = ['people', 'number', 'true pairs', 'threshold for', 'true accept rate', 'false-match rate'];
  return section('Parts of the people', html`${note}${table(head, rows)}`);
}

function sharesOf(counts: readonly number[]): number[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / Math.max(1, all));
}
