// Filters, sorts and counts the accounts.

import { STATES, isUnhealthy, standing, summary, waitsForServer } from './words.js';

// Numbers in names sort by value: bot-9 before bot-10.
const NAMES = new Intl.Collator(undefined, { numeric: true });

const byName = (a, b) => NAMES.compare(a.name, b.name);

// States of a lower rank sort the newest first. Transient states sort by name, so that rows stay where they are.
const NEWEST_FIRST_BELOW = STATES.backoff.rank;

const worstFirst = (at) => (a, b) => {
  const rank = standing(a, at).rank;
  const difference = rank - standing(b, at).rank;
  if (difference !== 0) {
    return difference;
  }
  return rank < NEWEST_FIRST_BELOW ? newest(a, b) || byName(a, b) : byName(a, b);
};

const newest = (a, b) => (a.since < b.since ? 1 : a.since > b.since ? -1 : 0);

const ORDERS = {
  state: worstFirst,
  name: () => byName,
  server: () => (a, b) => NAMES.compare(a.server, b.server) || byName(a, b),
  member: () => (a, b) => NAMES.compare(a.member ?? '', b.member ?? '') || byName(a, b),
  since: () => (a, b) => newest(a, b) || byName(a, b),
  events: (_, rates) => (a, b) => rates.get(b.name) - rates.get(a.name) || byName(a, b),
};

/** Returns the text that a search looks through. */
export function searchText(account, at) {
  const { word } = standing(account, at);
  const reason = account.last_ending?.reason ?? '';
  const sinks = (account.sinks ?? []).join(' ');
  return `${account.name} @${account.user ?? ''} ${sinks} ${account.server} ${account.member ?? ''} ${account.state} ${word} ${reason} ${summary(account, at)}`.toLowerCase();
}

/** Returns true if the account contains every word of the query. */
export function matches(account, query, at) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    return true;
  }
  const text = searchText(account, at);
  return words.every((word) => text.includes(word));
}

/** Returns true if the account passes the filter: the names of states, or `unhealthy`. */
export function passes(account, states, at) {
  return states.size === 0 || states.has(account.state) || (states.has('unhealthy') && isUnhealthy(account, at));
}

/** Returns the accounts that pass, sorted. `rate` returns an account's events per minute; it is called once for each. */
export function choose(accounts, { query, states, sort, reverse }, at, rate) {
  const shown = [...accounts].filter((account) => passes(account, states, at) && matches(account, query, at));
  const rates = sort === 'events' ? new Map(shown.map((account) => [account.name, rate(account)])) : new Map();
  const order = (ORDERS[sort] ?? worstFirst)(at, rates);
  shown.sort(reverse ? (a, b) => order(b, a) : order);
  return shown;
}

/** Counts the accounts in each state and the unhealthy ones. */
export function count(accounts, at) {
  const counts = { all: 0, unhealthy: 0 };
  for (const account of accounts) {
    counts.all += 1;
    counts.unhealthy += isUnhealthy(account, at) ? 1 : 0;
    counts[account.state] = (counts[account.state] ?? 0) + 1;
  }
  return counts;
}

/**
 * Groups the unhealthy accounts by problem, worst first, then largest first: `{key, word, of, tone, count, first}`, with
 * the filter of their accounts as `states` and `query`. A server that is down is one problem, however many accounts wait.
 */
export function problems(accounts, at) {
  const kinds = new Map();
  for (const account of accounts) {
    if (isUnhealthy(account, at)) {
      const kind = waitsForServer(account, at) ? ofServer(account) : ofState(account, at);
      const known = kinds.get(kind.key) ?? { ...kind, first: account, count: 0 };
      known.count += 1;
      kinds.set(kind.key, known);
    }
  }
  return [...kinds.values()].sort((a, b) => a.rank - b.rank || b.count - a.count);
}

const ofServer = ({ server }) => ({
  key: `server ${server}`,
  word: 'waiting',
  of: `server ${server} does not answer`,
  isServer: true,
  tone: 'bad',
  rank: -1,
  states: ['connecting', 'backoff'],
  query: server,
});

function ofState(account, at) {
  const { word, tone, rank } = standing(account, at);
  // The cause of a stall is not the reason of the last ending.
  const reason = account.state === 'stalled' ? '' : (account.last_ending?.reason ?? '');
  // The accounts of each silent member are a problem of their own.
  const key = `${account.state} ${account.state === 'unknown' ? account.member : reason}`;
  return { key, word, of: summary(account, at), tone, rank, states: [account.state], query: account.state === 'unknown' ? (account.member ?? '') : reason };
}
