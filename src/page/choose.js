// Which accounts are shown, and in which order.

import { STATES, cause, isIll, standing } from './words.js';

// Names with numbers in them go by the number: bot-9 before bot-10.
const NAMES = new Intl.Collator(undefined, { numeric: true });

const byName = (a, b) => NAMES.compare(a.name, b.name);

// The newest trouble of a kind first. What comes and goes by itself stays where it is.
const FRESH_FIRST_BELOW = STATES.backoff.rank;

function worstFirst(a, b) {
  const rank = standing(a).rank;
  const difference = rank - standing(b).rank;
  if (difference !== 0) {
    return difference;
  }
  return rank < FRESH_FIRST_BELOW ? newest(a, b) || byName(a, b) : byName(a, b);
}

const newest = (a, b) => (a.since < b.since ? 1 : a.since > b.since ? -1 : 0);

const ORDERS = {
  state: () => worstFirst,
  name: () => byName,
  server: () => (a, b) => NAMES.compare(a.server, b.server) || byName(a, b),
  since: () => (a, b) => newest(a, b) || byName(a, b),
  events: (rate) => (a, b) => rate(b) - rate(a) || byName(a, b),
};

/** What a search looks through. */
export function haystack(account) {
  const reason = account.last_ending ? `${account.last_ending.reason} ${cause(account.last_ending, account.name)}` : '';
  const { word } = standing(account);
  return `${account.name} ${account.server} ${account.state} ${word} ${reason}`.toLowerCase();
}

/** Whether the account holds every word that is looked for. */
export function matches(account, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    return true;
  }
  const text = haystack(account);
  return words.every((word) => text.includes(word));
}

/** The filter `ill` holds for all that are; the others are names of states. */
export function passes(account, states) {
  return states.size === 0 || states.has(account.state) || (states.has('ill') && isIll(account));
}

/**
 * The accounts that pass, in order. `rate` gives an account's events a minute; each is asked for once.
 */
export function choose(accounts, { query, states, sort, reverse }, rate) {
  const shown = [...accounts].filter((account) => passes(account, states) && matches(account, query));
  const rates = sort === 'events' ? new Map(shown.map((account) => [account.name, rate(account)])) : new Map();
  const order = (ORDERS[sort] ?? ORDERS.state)((account) => rates.get(account.name));
  shown.sort(reverse ? (a, b) => order(b, a) : order);
  return shown;
}

/** How many accounts are in each state, and how many are ill. */
export function count(accounts) {
  const counts = { all: 0, ill: 0 };
  for (const account of accounts) {
    counts.all += 1;
    counts.ill += isIll(account) ? 1 : 0;
    counts[account.state] = (counts[account.state] ?? 0) + 1;
  }
  return counts;
}

/** The kinds of trouble, worst first, and of one rank the largest: `{word, tone, state, reason, first, count}`. */
export function troubles(accounts) {
  const kinds = new Map();
  for (const account of accounts) {
    if (isIll(account)) {
      const { word, tone, rank } = standing(account);
      // What stalls an account is not how its last connection ended.
      const reason = account.state === 'stalled' ? '' : (account.last_ending?.reason ?? '');
      const key = `${account.state} ${reason}`;
      const kind = kinds.get(key) ?? { word, tone, rank, state: account.state, reason, first: account, count: 0 };
      kind.count += 1;
      kinds.set(key, kind);
    }
  }
  return [...kinds.values()].sort((a, b) => a.rank - b.rank || b.count - a.count);
}
