// Which accounts are shown, and in which order.

import { STATES, gist, isIll, standing, waitsForServer } from './words.js';

// Names with numbers in them go by the number: bot-9 before bot-10.
const NAMES = new Intl.Collator(undefined, { numeric: true });

const byName = (a, b) => NAMES.compare(a.name, b.name);

// The newest trouble of a kind first. What comes and goes by itself stays where it is.
const FRESH_FIRST_BELOW = STATES.backoff.rank;

const worstFirst = (at) => (a, b) => {
  const rank = standing(a, at).rank;
  const difference = rank - standing(b, at).rank;
  if (difference !== 0) {
    return difference;
  }
  return rank < FRESH_FIRST_BELOW ? newest(a, b) || byName(a, b) : byName(a, b);
};

const newest = (a, b) => (a.since < b.since ? 1 : a.since > b.since ? -1 : 0);

const ORDERS = {
  state: worstFirst,
  name: () => byName,
  server: () => (a, b) => NAMES.compare(a.server, b.server) || byName(a, b),
  since: () => (a, b) => newest(a, b) || byName(a, b),
  events: (_, rates) => (a, b) => rates.get(b.name) - rates.get(a.name) || byName(a, b),
};

/** What a search looks through. */
export function haystack(account, at) {
  const { word } = standing(account, at);
  const reason = account.last_ending?.reason ?? '';
  return `${account.name} ${account.server} ${account.state} ${word} ${reason} ${gist(account, at)}`.toLowerCase();
}

/** Whether the account holds every word that is looked for. */
export function matches(account, query, at) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    return true;
  }
  const text = haystack(account, at);
  return words.every((word) => text.includes(word));
}

/** The filter `ill` holds for all that are; the others are names of states. */
export function passes(account, states, at) {
  return states.size === 0 || states.has(account.state) || (states.has('ill') && isIll(account, at));
}

/** The accounts that pass, in order. `rate` gives an account's events a minute; each is asked for once. */
export function choose(accounts, { query, states, sort, reverse }, at, rate) {
  const shown = [...accounts].filter((account) => passes(account, states, at) && matches(account, query, at));
  const rates = sort === 'events' ? new Map(shown.map((account) => [account.name, rate(account)])) : new Map();
  const order = (ORDERS[sort] ?? worstFirst)(at, rates);
  shown.sort(reverse ? (a, b) => order(b, a) : order);
  return shown;
}

/** How many accounts are in each state, and how many are ill. */
export function count(accounts, at) {
  const counts = { all: 0, ill: 0 };
  for (const account of accounts) {
    counts.all += 1;
    counts.ill += isIll(account, at) ? 1 : 0;
    counts[account.state] = (counts[account.state] ?? 0) + 1;
  }
  return counts;
}

/**
 * The kinds of trouble, worst first, and of one rank the largest: `{key, word, of, tone, count, first}`, and with
 * `states` and `query` what shows their accounts. A server that is away is one trouble, however many wait for it.
 */
export function troubles(accounts, at) {
  const kinds = new Map();
  for (const account of accounts) {
    if (isIll(account, at)) {
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
  // What stalls an account is not how its last connection ended.
  const reason = account.state === 'stalled' ? '' : (account.last_ending?.reason ?? '');
  const key = `${account.state} ${reason}`;
  return { key, word, of: gist(account, at), tone, rank, states: [account.state], query: reason };
}
