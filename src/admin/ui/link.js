// Whether the page is connected to the service, and what is said when it is not.

import { byId, setText } from './dom.js';
import { readOutNow } from './notice.js';
import { span } from './words.js';

/** The banner. `retry` is called when somebody does not want to wait. */
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

  /** Takes the state of the stream. */
  show(state) {
    if (this.#known && state.up !== this.#state.up) {
      // The banner counts seconds: it is not read out itself.
      readOutNow(state.up ? 'Connected again' : 'Not connected');
    }
    this.#state = state;
    this.#known = true;
    byId('banner').hidden = state.up;
    document.documentElement.toggleAttribute('data-stale', !state.up);
    this.tick();
  }

  /** Says again how long it has been. */
  tick() {
    if (this.#known && !this.#state.up) {
      setText(byId('banner-text'), words(this.#state, Date.now()));
    }
  }
}

/** What the banner says. */
export function words({ heardAt, retryAt, problem }, now) {
  const heard = heardAt === null ? 'nothing heard yet' : `last heard ${span(Math.max(1000, now - heardAt))} ago`;
  const wait = retryAt - now;
  const next = wait < 1000 ? 'trying again' : `trying again in ${span(wait)}`;
  const cause = problem?.status ? ` (${problem.message})` : '';
  return `Not connected${cause}: ${heard}, ${next}.`;
}
