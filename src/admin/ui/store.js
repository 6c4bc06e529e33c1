// The data of the page: the latest state of all accounts, and their recent events.

import { Spark } from './spark.js';

/** Returns true if the account is older than the other one: by generation, then state, then number of events. */
function isOlder(account, than) {
  const differences = [
    account.generation - than.generation,
    Date.parse(account.since) - Date.parse(than.since),
    account.events - than.events,
  ];
  return (differences.find((difference) => difference !== 0) ?? 0) < 0;
}

/** The accounts of the connected service. */
export class Store {
  #accounts = new Map();
  #sparks = new Map();
  #doubtful = new Set();
  #down = new Set();
  #behindMs = 0;

  /** Returns the service's time, which may differ from the browser's. */
  now() {
    return Date.now() - this.#behindMs;
  }

  /** Returns the context of an account's health: the time, and the servers that are down. */
  get at() {
    return { now: this.now(), down: this.#down };
  }

  /** Sets the servers. */
  setServers(servers) {
    this.#down = new Set(servers.filter(({ up }) => !up).map(({ name }) => name));
  }

  /** Sets the service's time. */
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
   * Applies rows. `snapshot` marks the first rows of a new list; the old accounts stay until `sweep`, so that nothing
   * flickers. Returns each change of a known account's state as `{was, is}`.
   */
  apply({ snapshot = false, accounts = [], removed = [] }) {
    if (snapshot) {
      this.#doubtful = new Set(this.#accounts.keys());
    }
    const now = this.now();
    const changes = [];
    for (const account of accounts) {
      const was = this.#accounts.get(account.name);
      this.#accounts.set(account.name, account);
      this.#doubtful.delete(account.name);
      this.#record(account, now);
      if (was && was.state !== account.state) {
        changes.push({ was, is: account });
      }
    }
    removed.forEach((name) => this.#forget(name));
    return changes;
  }

  /** Applies a single account, unless the store has a newer state or the account was removed. */
  refresh(account) {
    const known = this.#accounts.get(account.name);
    return known && !isOlder(account, known) ? this.apply({ accounts: [account] }) : [];
  }

  /** Removes the accounts that the new list does not have; returns true if there were any. */
  sweep() {
    const gone = this.#doubtful;
    this.#doubtful = new Set();
    gone.forEach((name) => this.#forget(name));
    return gone.size > 0;
  }

  /** Removes all data, as for a logout. */
  clear() {
    this.#accounts = new Map();
    this.#sparks = new Map();
    this.#doubtful = new Set();
    this.#down = new Set();
  }

  #record({ name, events }, now) {
    const spark = this.#sparks.get(name);
    if (spark) {
      spark.record(events, now);
    } else {
      this.#sparks.set(name, new Spark(events, now));
    }
  }

  #forget(name) {
    this.#accounts.delete(name);
    this.#sparks.delete(name);
  }
}
