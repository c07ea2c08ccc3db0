import { html, type Markup } from './markup.js';

// In a plot's own pixels: small, so that its text can be read on a phone.
const WIDTH = 400;
const HEIGHT = 250;
const LEFT = 54;
const RIGHT = 380;
const TOP = 28;
const BOTTOM = 206;

/** Maps values of one axis to 0 … 1. */
export interface Axis {
  readonly title: string;
  readonly place: (value: number) => number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

export interface Series {
  readonly name: string;
  /** 1 or 2: its colour. */
  readonly colour: 1 | 2;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Powers of ten, from the lower to the higher one. */
export function logAxis(title: string, low: number, high: number): Axis {
  const exponents = Array.from({ length: high - low + 1 }, (_, at) => low + at);
  const every = exponents.length > 7 ? 2 : 1;
  return {
    title,
    place: (value) => clamp((Math.log10(Math.max(value, 1e-30)) - low) / (high - low)),
    ticks: exponents
      .filter((exponent) => (high - exponent) % every === 0)
      .map((exponent) => ({ value: 10 ** exponent, label: exponent > -3 ? String(10 ** exponent) : `1e${exponent}` })),
  };
}

export function linearAxis(title: string, low: number, high: number, write = shortNumber, steps = 4): Axis {
  return {
    title,
    place: (value) => clamp((value - low) / (high - low)),
    ticks: Array.from({ length: steps + 1 }, (_, at) => {
      const value = low + ((high - low) * at) / steps;
      return { value, label: write(value) };
    }),
  };
}

/** Lines over two axes. @param marks vertical lines with a name */
export function linePlot(
  name: string,
  { x, y, series, marks = [] }: PlotContent & { readonly series: readonly Series[] },
): Markup {
  const lines = series.map(({ colour, points }) => {
    const path = points.map(([across, up]) => `${at(x, across)},${down(y, up)}`).join(' ');
    return html`<polyline class="line c${colour}" points="${path}" />`;
  });
  return figure(name, series, html`${axes(x, y)}${lines}${marks.map((mark) => markLine(x, mark))}`);
}

/** A histogram's share of all in each bin, as a filled outline. */
export function histogramPlot(
  name: string,
  {
    x,
    y,
    histograms,
    marks = [],
  }: PlotContent & {
    readonly histograms: readonly (Omit<Series, 'points'> & {
      readonly from: number;
      readonly to: number;
      readonly shares: readonly number[];
    })[];
  },
): Markup {
  const areas = histograms.map(({ colour, from, to, shares }) => {
    const step = (to - from) / shares.length;
    const outline = shares.flatMap((share, bin) => [
      `${at(x, from + bin * step)},${down(y, share)}`,
      `${at(x, from + (bin + 1) * step)},${down(y, share)}`,
    ]);
    const path = [`${at(x, from)},${BOTTOM}`, ...outline, `${at(x, to)},${BOTTOM}`].join(' ');
    return html`<polygon class="area c${colour}" points="${path}" />`;
  });
  return figure(name, histograms, html`${axes(x, y)}${areas}${marks.map((mark) => markLine(x, mark))}`);
}

interface PlotContent {
  readonly x: Axis;
  readonly y: Axis;
  readonly marks?: readonly { readonly value: number; readonly label: string }[];
}

function figure(name: string, series: readonly Omit<Series, 'points'>[], content: Markup): Markup {
  const keys = series.map((one) => html`<span><i class="key c${one.colour}"></i>${one.name}</span>`);
  const legend = series.length > 1 ? html`<div class="legend">${keys}</div>` : undefined;
  return html`<figure>
    <figcaption>${name}</figcaption>
    ${legend}<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${name}">${content}</svg>
  </figure>`;
}

function axes(x: Axis, y: Axis): Markup {
  const across = x.ticks.map(
    ({ value, label }) =>
      html`<line class="grid" x1="${at(x, value)}" x2="${at(x, value)}" y1="${TOP}" y2="${BOTTOM}" /><text
          x="${at(x, value)}"
          y="${BOTTOM + 16}"
          text-anchor="middle"
          >${label}</text
        >`,
  );
  const up = y.ticks.map(
    ({ value, label }) =>
      html`<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${down(y, value)}" y2="${down(y, value)}" /><text
          x="${LEFT - 6}"
          y="${down(y, value) + 4}"
          text-anchor="end"
          >${label}</text
        >`,
  );
  return html`${across}${up}<text x="${(LEFT + RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${x.title}</text
    ><text x="4" y="12">${y.title}</text>`;
}

function markLine(x: Axis, { value, label }: { readonly value: number; readonly label: string }): Markup {
  const place = at(x, value);
  return html`<line class="mark" x1="${place}" x2="${place}" y1="${TOP}" y2="${BOTTOM}" /><text
      class="mark"
      x="${place + 4}"
      y="${TOP + 12}"
      >${label}</text
    >`;
}

function at({ place }: Axis, value: number): number {
  return rounded(LEFT + place(value) * (RIGHT - LEFT));
}

function down({ place }: Axis, value: number): number {
  return rounded(BOTTOM - place(value) * (BOTTOM - TOP));
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}

function shortNumber(value: number): string {
  return String(Number(value.toFixed(3)));
}
