import { Api } from './api.js';
import { pollDevices } from './devices-poll.js';
import { byId, setText } from './dom.js';
import { follow } from './feed.js';
import { LiveView, stateText } from './live-view.js';
import { SightingBook } from './sighting-book.js';

const STORED_KEY = 'sightline-api-key';
/** What a bearer token is made of (RFC 6750, 2.1, as our service reads it): anything else no header can carry. */
const KEY_FORM = /^[\x21-\x7e]{1,512}$/;

const form = byId('key-form', HTMLFormElement);
const input = byId('key', HTMLInputElement);
const submit = byId('open', HTMLButtonElement);
const forget = byId('forget', HTMLButtonElement);
const live = byId('live', HTMLElement);
const state = byId('state', HTMLElement);

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const key = input.value.trim();
  if (!KEY_FORM.test(key)) {
    askForKey('This is not an API key: a key has no spaces and no letters beyond ASCII.');
    return;
  }
  sessionStorage.setItem(STORED_KEY, key);
  submit.disabled = true;
  void open(key);
});

forget.addEventListener('click', () => {
  sessionStorage.removeItem(STORED_KEY);
  // Nothing that the key has opened stays in memory.
  location.reload();
});

/** @param {string} problem what was wrong with the key before, or nothing */
function askForKey(problem) {
  form.hidden = submit.disabled = false;
  live.hidden = forget.hidden = state.hidden = true;
  setText(byId('key-error', HTMLElement), problem);
  input.setAttribute('aria-invalid', String(problem !== ''));
  input.focus();
  input.select();
}

/**
 * Shows what the key opens, until it is refused.
 *
 * @param {string} key
 */
async function open(key) {
  const api = new Api(key);
  const book = new SightingBook();
  const ended = new AbortController();
  const { signal } = ended;
  const errorTitles = await api.errorTitles(signal).catch(() => ({}));
  const view = new LiveView(api, book, errorTitles);
  const onState = (/** @type {import('./feed.js').FeedState} */ next) => {
    // A key that was typed in stays in sight until the service has said something of it.
    if (next.kind === 'refused' || (next.kind === 'connecting' && !form.hidden)) return;
    form.hidden = true;
    input.value = '';
    live.hidden = forget.hidden = state.hidden = false;
    state.dataset.kind = next.kind;
    setText(state, stateText(next, api.nowMs()));
    document.title = next.kind === 'lost' ? 'Connection lost · Sightline' : 'Sightline';
  };
  view.start(signal);
  void pollDevices(api, { onDevices: (page) => view.showDevices(page), onFailure: () => view.devicesFailed() }, signal);
  await follow(api, book, { onState, onChange: () => view.changed(), onCountFrom: (ms) => view.countFrom(ms) }, signal);
  sessionStorage.removeItem(STORED_KEY);
  ended.abort();
  book.clear();
  view.clear();
  askForKey('The key was refused.');
}

const stored = sessionStorage.getItem(STORED_KEY);
if (stored === null) askForKey('');
else void open(stored);
