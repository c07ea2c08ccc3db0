import { element, setRows, setText } from './dom.js';
import { clockTime, duration, fullTime, relativeTime } from './format.js';

/**
 * @typedef {import('@sightline/contracts').rest.Sighting} Sighting
 * @typedef {{ readonly row: HTMLTableRowElement, readonly ago: HTMLElement, readonly sighting: Sighting }} Row
 */

/** Scores are shown with three digits, as thresholds are. */
const SCORE_DIGITS = 3;

/** The table of live sightings, a row each. */
export class SightingsTable {
  #body;
  #titleOf;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #filled = false;

  /**
   * @param {HTMLTableSectionElement} body
   * @param {(code: string) => string | undefined} titleOf what an error code means
   */
  constructor(body, titleOf) {
    this.#body = body;
    this.#titleOf = titleOf;
  }

  /**
   * Shows these sightings and no others.
   *
   * @param {readonly Sighting[]} sightings newest first
   * @param {number} nowMs
   */
  show(sightings, nowMs) {
    /** @type {Map<string, Row>} */
    const rows = new Map();
    for (const sighting of sightings) {
      const before = this.#rows.get(sighting.id);
      rows.set(sighting.id, before?.sighting === sighting ? before : this.#draw(sighting, before, nowMs));
    }
    setRows(
      this.#body,
      [...rows.values()].map(({ row }) => row),
    );
    this.#rows = rows;
    this.#filled = true;
  }

  /**
   * Whether a sighting is shown.
   *
   * @param {string} id
   */
  has(id) {
    return this.#rows.has(id);
  }

  /** @param {number} nowMs */
  tick(nowMs) {
    for (const { ago, sighting } of this.#rows.values())
      setText(ago, relativeTime(Date.parse(sighting.firstSeenAt), nowMs));
  }

  /**
   * @param {Sighting} sighting
   * @param {Row | undefined} before
   * @param {number} nowMs
   * @returns {Row}
   */
  #draw(sighting, before, nowMs) {
    const row = before?.row ?? element('tr', { role: 'row' });
    const ago = element('span', { class: 'ago' });
    row.dataset.id = sighting.id;
    row.dataset.revision = String(sighting.revision);
    row.dataset.outcome = sighting.decision.outcome;
    row.replaceChildren(
      cell('time', timeOf(sighting, nowMs), ' ', ago),
      cell('who', ...this.#whoOf(sighting)),
      cell('camera', sighting.cameraId),
      cell('device', sighting.deviceId),
      cell('score', ...scoreOf(sighting)),
      cell('quality number', sighting.quality.toFixed(2)),
      cell('latency number', duration(sighting.latencyMs)),
    );
    setText(ago, relativeTime(Date.parse(sighting.firstSeenAt), nowMs));
    // What is there when the page opens is no news.
    if (this.#filled && before === undefined) row.classList.add('new');
    return { row, ago, sighting };
  }

  /** @param {Sighting} sighting */
  #whoOf({ decision: { outcome, person }, refusalCode, phase, replayed }) {
    const notes = [phase === 'close' ? '' : 'in view', replayed ? 'sent late' : ''].filter((note) => note !== '');
    const parts = [element('span', { class: 'name' }, nameOf(outcome, person))];
    if (outcome === 'refused') {
      const code = refusalCode ?? 'no reason given';
      parts.push(element('span', { class: 'reason', title: code }, this.#titleOf(code) ?? code));
    }
    return [...parts, ...notes.map((note) => element('span', { class: 'note' }, note))].flatMap((part) => [part, ' ']);
  }
}

/**
 * @param {string} outcome
 * @param {Sighting['decision']['person']} person
 */
function nameOf(outcome, person) {
  if (person !== null) return person.name;
  return outcome === 'identified' ? 'no longer enrolled' : outcome;
}

/**
 * @param {string} kind class names
 * @param {...(Node | string)} children
 */
function cell(kind, ...children) {
  return element('td', { role: 'cell', class: kind }, ...children);
}

/**
 * @param {Sighting} sighting
 * @param {number} nowMs
 */
function timeOf({ firstSeenAt }, nowMs) {
  const ms = Date.parse(firstSeenAt);
  return element('time', { datetime: firstSeenAt, title: fullTime(ms) }, clockTime(ms, nowMs));
}

/** @param {Sighting} sighting */
function scoreOf({ decision: { score, threshold } }) {
  const bar = threshold.toFixed(SCORE_DIGITS);
  if (score === null) return [element('span', { class: 'none' }, `– of ${bar}`)];
  const meter = element('span', { class: 'meter', 'aria-hidden': 'true' });
  meter.style.setProperty('--score', String(Math.min(Math.max(score, 0), 1)));
  meter.style.setProperty('--threshold', String(Math.min(Math.max(threshold, 0), 1)));
  const relation = score >= threshold ? '≥' : '<';
  return [
    element('strong', {}, score.toFixed(SCORE_DIGITS)),
    ' ',
    element('span', { class: 'threshold' }, `${relation} ${bar}`),
    meter,
  ];
}
