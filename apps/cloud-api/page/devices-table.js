import { element, setRows, setText } from './dom.js';
import { fullTime, relativeTime } from './format.js';

/**
 * @typedef {import('@sightline/contracts').rest.Device} Device
 * @typedef {{ readonly row: HTMLTableRowElement, readonly seen: HTMLElement, readonly device: Device, readonly drawn: string }} Row
 */

/** The table of devices: those that need somebody first. */
export class DevicesTable {
  #body;
  #titleOf;
  /** @type {Map<string, Row>} */
  #rows = new Map();

  /**
   * @param {HTMLTableSectionElement} body
   * @param {(code: string) => string | undefined} titleOf what an error code means
   */
  constructor(body, titleOf) {
    this.#body = body;
    this.#titleOf = titleOf;
  }

  /**
   * @param {readonly Device[]} devices
   * @param {number} nowMs
   */
  show(devices, nowMs) {
    /** @type {Map<string, Row>} */
    const rows = new Map();
    for (const device of [...devices].sort(byNeed)) {
      const before = this.#rows.get(device.id);
      const drawn = JSON.stringify(device);
      rows.set(device.id, before?.drawn === drawn ? before : this.#draw(device, drawn, before));
    }
    setRows(
      this.#body,
      [...rows.values()].map(({ row }) => row),
    );
    this.#rows = rows;
    this.tick(nowMs);
  }

  /** @param {number} nowMs */
  tick(nowMs) {
    for (const { seen, device } of this.#rows.values()) {
      const { lastSeenAt } = device;
      setText(seen, lastSeenAt === null ? 'never' : relativeTime(Date.parse(lastSeenAt), nowMs));
    }
  }

  /**
   * @param {Device} device
   * @param {string} drawn
   * @param {Row | undefined} before
   * @returns {Row}
   */
  #draw(device, drawn, before) {
    const row = before?.row ?? element('tr', { role: 'row' });
    const { lastSeenAt } = device;
    const seen = lastSeenAt === null ? element('span', { class: 'none' }) : seenAt(lastSeenAt);
    row.dataset.id = device.id;
    row.dataset.online = String(device.online);
    row.replaceChildren(
      element('th', { role: 'rowheader', scope: 'row', class: 'device' }, device.id),
      cell('condition', element('span', { class: 'name' }, device.online ? 'online' : 'offline')),
      cell('site', device.siteId),
      cell('release', ...this.#releaseOf(device)),
      cell('provider', device.provider ?? '–'),
      cell('seen', seen),
    );
    return { row, seen, device, drawn };
  }

  /** @param {Device} device */
  #releaseOf({ release, releaseUpdate }) {
    const version = element('span', {}, release === null ? 'none yet' : release.version);
    if (release !== null) version.title = `Release ${release.digest}`;
    if (releaseUpdate?.status === 'pending') return [version, ' ', element('span', { class: 'note' }, 'updating')];
    if (releaseUpdate?.status !== 'failed') return [version];
    const code = releaseUpdate.error ?? 'no reason given';
    const reason = `Update failed: ${this.#titleOf(code) ?? code}`;
    return [version, ' ', element('span', { class: 'failure', title: code }, reason)];
  }
}

/** @param {Device} device */
const failed = ({ releaseUpdate }) => releaseUpdate?.status === 'failed';

/**
 * Failed updates first, then those that are offline, then by name.
 *
 * @param {Device} a
 * @param {Device} b
 */
function byNeed(a, b) {
  if (failed(a) !== failed(b)) return failed(a) ? -1 : 1;
  if (a.online !== b.online) return a.online ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}

/**
 * @param {string} kind class names
 * @param {...(Node | string)} children
 */
function cell(kind, ...children) {
  return element('td', { role: 'cell', class: kind }, ...children);
}

/** @param {string} at RFC 3339 */
function seenAt(at) {
  return element('time', { datetime: at, title: fullTime(Date.parse(at)) });
}
