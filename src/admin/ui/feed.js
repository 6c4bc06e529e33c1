// A stream that is kept: opened again when it ends, each time a little later, and when it goes silent.

import { open } from './api.js';
import { readEvents } from './sse.js';

// The first try comes at once to a person's eye; the last ones ask a service that is away no more than it bears.
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

// Many pages that lost one service do not come back in one moment.
const SPREAD = 0.3;

// The service sends a comment every 15 s: after two and a half of them the connection is dead, whatever TCP says.
const SILENT_AFTER_MS = 40_000;

/** How long to wait before the try after `failures` failed ones; `random` is from 0 to 1. */
export function waitMs(failures, random) {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(wait * (1 - SPREAD * random));
}

/**
 * A kept stream. `event` gets each event with its data read as JSON, `state` gets
 * `{up, heardAt, retryAt, problem}` whenever that changes. A 401 ends it: `refused` is called.
 */
export class Feed {
  #path;
  #on;
  #stop = null;
  #wake = null;
  #failures = 0;
  #lastId = null;
  #heardAt = null;
  #up = false;

  constructor(path, { event, state = () => {}, refused }) {
    this.#path = path;
    this.#on = { event, state, refused };
  }

  /** Opens it, and keeps it open until `stop`. */
  start() {
    this.stop();
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  }

  /** Ends it for good. */
  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#wake?.();
  }

  /** Tries at once, when it is waiting for its next try. */
  now() {
    this.#wake?.();
  }

  async #run(stopped) {
    while (!stopped.aborted) {
      const problem = await this.#once(stopped);
      if (stopped.aborted) {
        return;
      }
      if (problem?.status === 401) {
        this.#on.refused(problem);
        return;
      }
      this.#up = false;
      this.#failures += 1;
      const wait = waitMs(this.#failures, Math.random());
      this.#on.state({ up: false, heardAt: this.#heardAt, retryAt: Date.now() + wait, problem });
      await this.#sleep(wait);
    }
  }

  /** One connection, to its end; gives what went wrong. */
  async #once(stopped) {
    const silent = new AbortController();
    let watch = setTimeout(() => silent.abort(), SILENT_AFTER_MS);
    const heard = () => {
      this.#heard(stopped);
      clearTimeout(watch);
      watch = setTimeout(() => silent.abort(), SILENT_AFTER_MS);
    };
    try {
      const signal = AbortSignal.any([stopped, silent.signal]);
      const body = await open(this.#path, { signal, lastId: this.#lastId });
      await readEvents(body, { heard, event: (event) => this.#take(event, stopped) });
      return null;
    } catch (error) {
      return error;
    } finally {
      clearTimeout(watch);
    }
  }

  #take({ type, id, data }, stopped) {
    if (stopped.aborted) {
      return;
    }
    this.#lastId = id ?? this.#lastId;
    this.#on.event(type, JSON.parse(data));
  }

  // The service says something at once: from then on nothing is missed.
  #heard(stopped) {
    this.#heardAt = Date.now();
    if (!this.#up && !stopped.aborted) {
      this.#up = true;
      this.#failures = 0;
      this.#on.state({ up: true, heardAt: this.#heardAt, retryAt: null, problem: null });
    }
  }

  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
