// What the page knows: the accounts as the service last told them, and how their events grew.

import { Spark } from './spark.js';

/** The accounts of the service that the page is connected to. */
export class Store {
  #accounts = new Map();
  #sparks = new Map();
  #behindMs = 0;

  /** The service's own time: that of the browser may differ. */
  now() {
    return Date.now() - this.#behindMs;
  }

  /** Takes the service's time from what it just said. */
  setNow(time) {
    const theirs = Date.parse(time);
    this.#behindMs = Number.isNaN(theirs) ? 0 : Date.now() - theirs;
  }

  get(name) {
    return this.#accounts.get(name);
  }

  all() {
    return this.#accounts.values();
  }

  get size() {
    return this.#accounts.size;
  }

  spark(name) {
    return this.#sparks.get(name);
  }

  /**
   * Takes what came: a whole list replaces all, else what changed is changed. Gives each change of a state as
   * `{was, is}`; of a first list there is none to tell.
   */
  apply({ whole = false, accounts = [], removed = [] }) {
    const first = this.#accounts.size === 0;
    const before = this.#accounts;
    if (whole) {
      this.#accounts = new Map();
    }
    const now = this.now();
    const changes = [];
    for (const account of accounts) {
      const was = before.get(account.name);
      this.#accounts.set(account.name, account);
      this.#record(account, now);
      if (!first && was?.state !== account.state) {
        changes.push({ was, is: account });
      }
    }
    removed.forEach((name) => this.#accounts.delete(name));
    this.#forget();
    return changes;
  }

  /** Forgets all, as after a logout. */
  clear() {
    this.#accounts = new Map();
    this.#sparks = new Map();
  }

  #record({ name, events }, now) {
    const spark = this.#sparks.get(name);
    if (spark) {
      spark.record(events, now);
    } else {
      this.#sparks.set(name, new Spark(events, now));
    }
  }

  // As many sparks as accounts, and no more.
  #forget() {
    if (this.#sparks.size > this.#accounts.size) {
      for (const name of this.#sparks.keys()) {
        if (!this.#accounts.has(name)) {
          this.#sparks.delete(name);
        }
      }
    }
  }
}
