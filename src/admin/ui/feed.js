// A stream that reconnects, with a growing delay, when it ends or goes silent.

import { open } from './api.js';
import { readEvents } from './sse.js';

// The first retry looks immediate to a person; the longest delay spares a service that is down.
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

// Jitter, so that many pages do not reconnect at the same moment.
const SPREAD = 0.3;

// The service sends a comment every 15 s: after two and a half intervals the connection counts as dead.
const SILENT_AFTER_MS = 40_000;

/** Returns the delay before the next attempt after `failures` failures; `random` is from 0 to 1. */
export function waitMs(failures, random) {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(wait * (1 - SPREAD * random));
}

/**
 * A reconnecting stream. `event` gets each event with its data parsed as JSON; `state` gets
 * `{up, heardAt, retryAt, problem}` on every change. A 401 ends the stream and calls `refused`.
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

  /** Opens the stream and keeps it open until `stop`. */
  start() {
    this.stop();
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  }

  /** Ends the stream. */
  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#wake?.();
  }

  /** Skips the current delay and retries at once. */
  retryNow() {
    this.#wake?.();
  }

  async #run(stopped) {
    while (!stopped.aborted) {
      const problem = await this.#connect(stopped);
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

  /** Runs one connection to its end and returns the error, if any. */
  async #connect(stopped) {
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

  // The service sends something at once, so the stream counts as up from its first bytes.
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
