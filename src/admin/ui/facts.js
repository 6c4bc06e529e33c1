// What the service knows of one account, as terms and their values.

import { make, setAttribute, setText } from './dom.js';
import { ago, exact, number, span } from './words.js';

const GROUPS = ['Connection', 'Witnesses', 'Restart budget', 'On the way'];

/** An empty list of facts, with a way to fill it. */
export function makeFacts() {
  const element = make('div', { class: 'facts' });
  const lists = new Map();
  const rows = new Map();
  for (const group of GROUPS) {
    const list = make('dl');
    lists.set(group, list);
    element.append(make('h3', {}, group), list);
  }
  const row = (group, term) => {
    const key = `${group} ${term}`;
    if (!rows.has(key)) {
      const value = make('dd');
      lists.get(group).append(make('div', {}, make('dt', {}, term), value));
      rows.set(key, value);
    }
    return rows.get(key);
  };
  const fill = (facts) => {
    for (const { group, term, text, title = null, tone = null } of facts) {
      const value = row(group, term);
      setText(value, text);
      setAttribute(value, 'title', title);
      setAttribute(value, 'data-tone', tone);
    }
  };
  return { element, fill };
}

/** An account's facts, in their order. */
export function factsOf(account, now) {
  return [...connection(account, now), ...witnesses(account.liveness, now), ...budget(account, now), ...onTheWay(account)];
}

const NONE = '–';

const known = (value, words) => (value === undefined || value === null ? NONE : words(value));

function time(group, term, at, now) {
  const text = at ? `${agoWords(at, now)} (${exact(at, now)})` : NONE;
  return { group, term, text, title: at ? new Date(at).toString() : null };
}

function agoWords(at, now) {
  const words = ago(at, now);
  return words === 'now' ? words : `${words} ago`;
}

function connection(account, now) {
  const group = 'Connection';
  return [
    { group, term: 'Server', text: account.server },
    time(group, 'In this state since', account.since, now),
    { group, term: 'Generation', text: number(account.generation) },
    { group, term: 'Events', text: number(account.events) },
    time(group, 'Last event', account.last_event, now),
  ];
}

function witnesses(seen, now) {
  const group = 'Witnesses';
  return [
    probe(group, 'Poll of update_at', seen?.last_poll, now),
    probe(group, 'Ping on the socket', seen?.last_ping, now),
    time(group, 'Another account saw a change', seen?.last_sibling_report, now),
    probe(group, 'Audit of the posts', seen?.last_audit, now),
  ];
}

function probe(group, term, it, now) {
  if (!it) {
    return { group, term, text: NONE };
  }
  const took = it.took_ms === undefined || it.took_ms === null ? '' : `, took ${span(it.took_ms)}`;
  const how = it.ok ? `good${took}` : `failed: ${it.cause ?? 'no cause was given'}`;
  return { group, term, text: `${how}; ${agoWords(it.at, now)}`, title: exact(it.at, now), tone: it.ok ? 'good' : 'bad' };
}

function budget(account, now) {
  const group = 'Restart budget';
  const { restarts_in_window: used, budget_left: left } = account;
  return [
    {
      group,
      term: 'Left',
      text: `${number(left)} of ${number(used + left)}`,
      title: 'Charged endings that may still follow before the account trips',
      tone: left === 0 ? 'bad' : null,
    },
    { group, term: 'Connections started again', text: number(account.restarts) },
    next(group, account, now),
  ];
}

function next(group, account, now) {
  const wait = Date.parse(account.next_attempt ?? '') - now;
  const words = wait < 1000 ? 'now' : `in ${span(wait)}`;
  return { group, term: 'Next attempt', text: Number.isNaN(wait) ? NONE : `${words} (${exact(account.next_attempt, now)})` };
}

function onTheWay(account) {
  const group = 'On the way';
  const { catching_up: catching, waiting, unacknowledged, cursor_lag_ms: lag } = account;
  const stalled = account.stalled_by ?? [];
  return [
    { group, term: 'Frames in the queue', text: number(account.queued), tone: stalled.includes('sink') ? 'warn' : null },
    { group, term: 'Not handed over yet', text: known(waiting, number) },
    { group, term: 'Not acknowledged yet', text: known(unacknowledged, number) },
    { group, term: 'Cursors behind by', text: known(lag, span) },
    { group, term: 'Store', text: stalled.includes('store') ? 'cannot be used' : 'fine', tone: stalled.includes('store') ? 'bad' : null },
    { group, term: 'Catch-up', text: catching ? `${catching.done} of ${catching.channels} channels read` : 'none under way' },
    { group, term: 'Recovered in all', text: number(account.recovered) },
  ];
}
