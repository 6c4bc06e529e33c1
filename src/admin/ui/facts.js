// The data of one account, as terms and values.

import { make, setAttribute, setText } from './dom.js';
import { ago, exact, lasting, number, span } from './words.js';

const GROUPS = ['Connection', 'Liveness checks', 'Restart budget', 'Delivery'];

/** Creates an empty list of facts, with a function to fill it. */
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

/** Returns an account's facts in order. */
export function factsOf(account, now) {
  return [...connection(account, now), ...checks(account.liveness, now), ...budget(account, now), ...delivery(account, now)];
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
    { group, term: 'Bot', text: account.user ? `@${account.user}` : NONE },
    { group, term: 'Server', text: account.server },
    ...(account.member ? [{ group, term: 'Member', text: account.member }] : []),
    time(group, 'In this state since', account.since, now),
    { group, term: 'Generation', text: number(account.generation) },
    { group, term: 'Events', text: number(account.events) },
    time(group, 'Last event', account.last_event, now),
  ];
}

function checks(liveness, now) {
  const group = 'Liveness checks';
  return [
    probe(group, 'Poll of update_at', liveness?.last_poll, now),
    probe(group, 'Ping over the socket', liveness?.last_ping, now),
    time(group, 'Change seen by another account', liveness?.last_sibling_report, now),
    probe(group, 'Audit of posts', liveness?.last_audit, now),
  ];
}

function probe(group, term, it, now) {
  if (!it) {
    return { group, term, text: NONE };
  }
  const took = it.took_ms === undefined || it.took_ms === null ? '' : `, took ${span(it.took_ms)}`;
  const result = it.ok ? `ok${took}` : `failed: ${it.cause ?? 'no cause given'}`;
  return { group, term, text: `${result}; ${agoWords(it.at, now)}`, title: exact(it.at, now), tone: it.ok ? 'good' : 'bad' };
}

function budget(account, now) {
  const group = 'Restart budget';
  const { restarts_in_window: used, budget_left: left } = account;
  return [
    {
      group,
      term: 'Left',
      text: `${number(left)} of ${number(used + left)}`,
      title: 'Charged endings left before the account trips',
      tone: left === 0 ? 'bad' : null,
    },
    { group, term: 'Restarts', text: number(account.restarts) },
    next(group, account, now),
  ];
}

function next(group, account, now) {
  const wait = Date.parse(account.next_attempt ?? '') - now;
  const words = wait < 1000 ? 'now' : `in ${span(wait)}`;
  return { group, term: 'Next attempt', text: Number.isNaN(wait) ? NONE : `${words} (${exact(account.next_attempt, now)})` };
}

/** Returns the event that has waited longest, in full. */
function refused({ waiting_channels: count, waiting_event: it }, now) {
  const group = 'Delivery';
  if (!it) {
    return [{ group, term: 'Waiting channels', text: '0' }, { group, term: 'Waits longest', text: NONE }];
  }
  const { channel, event, cause, attempts, since, next_attempt: next_ } = it;
  const next = exact(next_, now);
  const text = `event ${event} in channel ${channel} for ${lasting(since, now)}; ${attempts} attempts, next at ${next}: ${cause}`;
  return [
    { group, term: 'Waiting channels', text: number(count), tone: 'warn' },
    { group, term: 'Waits longest', text, tone: 'warn' },
  ];
}

function delivery(account, now) {
  const group = 'Delivery';
  const { catching_up: catching, waiting, unacknowledged, cursor_lag_ms: lag } = account;
  const stalled = account.stalled_by ?? [];
  return [
    { group, term: 'Queued frames', text: number(account.queued), tone: stalled.includes('sink') ? 'warn' : null },
    { group, term: 'Sinks', text: (account.sinks ?? []).join(', ') || NONE },
    ...(account.source ? [{ group, term: 'Configured in', text: account.source === 'api' ? 'the admin API' : account.source }] : []),
    ...refused(account, now),
    { group, term: 'Not yet delivered', text: known(waiting, number) },
    { group, term: 'Not yet acknowledged', text: known(unacknowledged, number) },
    { group, term: 'Cursor lag', text: known(lag, span) },
    { group, term: 'Store', text: stalled.includes('store') ? 'cannot be used' : 'ok', tone: stalled.includes('store') ? 'bad' : null },
    { group, term: 'Catch-up', text: catching ? `${catching.done} of ${catching.channels} channels read` : 'not running' },
    { group, term: 'Recovered in total', text: number(account.recovered) },
  ];
}
