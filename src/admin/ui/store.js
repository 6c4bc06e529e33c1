// What the page knows: the accounts as the service last told them, and how their events grew.

import { Spark } from './spark.js';

/** Whether that is what an account was before: by its connection, then its state, then what it heard. */
function isOlder(account, than) {
  const differences = [
    account.generation - than.generation,
    Date.parse(account.since) - Date.parse(than.since),
    account.events - than.events,
  ];
  return (differences.find((difference) => difference !== 0) ?? 0) < 0;
}

/** The accounts of the service that the page is connected to. */
export class Store {
  #accounts = new Map();
  #sparks = new Map();
  #doubtful = new Set();
  #down = new Set();
  #behindMs = 0;

  /** The service's own time: that of the browser may differ. */
  now() {
    return Date.now() - this.#behindMs;
  }

  /** What decides, besides an account itself, whether it is well: the time, and which servers are away. */
  get at() {
    return { now: this.now(), down: this.#down };
  }

  /** Takes the servers as the service told them. */
  setServers(servers) {
    this.#down = new Set(servers.filter(({ up }) => !up).map(({ name }) => name));
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
   * Takes what came. A list that is `snapshot` begins anew, in pieces of which the first says so: what was known stays
   * until `sweep`, so that nothing flickers. Gives each change of a known account's state as `{was, is}`.
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

  /** Takes an account that was asked for by itself, unless what came meanwhile is newer, or took the account away. */
  refresh(account) {
    const known = this.#accounts.get(account.name);
    return known && !isOlder(account, known) ? this.apply({ accounts: [account] }) : [];
  }

  /** Forgets what a list that began anew did not bring again; tells whether there was anything. */
  sweep() {
    const gone = this.#doubtful;
    this.#doubtful = new Set();
    gone.forEach((name) => this.#forget(name));
    return gone.size > 0;
  }

  /** Forgets all, as after a logout. */
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
