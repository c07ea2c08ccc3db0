import { KeyRefused } from './api.js';
import { pause } from './pause.js';

/** How often devices are asked about, ms. */
const POLL_MS = 3000;
/** Devices that are shown. */
const SHOWN = 500;

/**
 * @typedef {import('./api.js').DevicePage} DevicePage
 * @typedef {object} DeviceEvents
 * @property {(page: DevicePage) => void} onDevices
 * @property {() => void} onFailure what was shown last may not be so any more
 */

/**
 * Asks about devices again and again, while somebody looks, until the signal is aborted or the key is refused (which
 * the feed of sightings tells).
 *
 * @param {import('./api.js').Api} api
 * @param {DeviceEvents} events
 * @param {AbortSignal} signal
 */
export async function pollDevices(api, events, signal) {
  const isEnded = () => signal.aborted;
  while (!isEnded()) {
    if (!document.hidden) {
      try {
        events.onDevices(await api.devices(SHOWN, signal));
      } catch (error) {
        if (isEnded() || error instanceof KeyRefused) return;
        events.onFailure();
      }
    }
    await pause(POLL_MS, signal);
  }
}
