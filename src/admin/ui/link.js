// The state of the connection to the service, and the banner for a lost connection.

import { byId, setText } from './dom.js';
import { announce } from './notice.js';
import { span } from './words.js';

/** The banner. `retry` is called to skip the delay. */
export class Link {
  #state = { up: false, heardAt: null, retryAt: null, problem: null };
  #known = false;

  constructor(retry) {
    byId('banner-now').addEventListener('click', retry);
    addEventListener('online', retry);
  }

  get isUp() {
    return this.#state.up;
  }

  /** Shows the state of the stream. */
  show(state) {
    if (this.#known && state.up !== this.#state.up) {
      // The banner counts seconds, so it is not announced itself.
      announce(state.up ? 'Connected again' : 'Not connected');
    }
    this.#state = state;
    this.#known = true;
    byId('banner').hidden = state.up;
    document.documentElement.toggleAttribute('data-stale', !state.up);
    this.tick();
  }

  /** Updates the times in the banner. */
  tick() {
    if (this.#known && !this.#state.up) {
      setText(byId('banner-text'), words(this.#state, Date.now()));
    }
  }
}

/** Returns the text of the banner. */
export function words({ heardAt, retryAt, problem }, now) {
  const heard = heardAt === null ? 'never connected' : `last update ${span(Math.max(1000, now - heardAt))} ago`;
  const wait = retryAt - now;
  const next = wait < 1000 ? 'trying again' : `trying again in ${span(wait)}`;
  const cause = problem?.status ? ` (${problem.message})` : '';
  return `Not connected${cause}: ${heard}, ${next}.`;
}
