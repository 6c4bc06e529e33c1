// One row of the list: an account at a glance.

import { rowActions } from './actions.js';
import { byId, setAttribute, setText } from './dom.js';
import { ago, exact, number, standing, why } from './words.js';

/** Creates an empty row. */
export function makeRow() {
  const row = byId('row-template').content.firstElementChild.cloneNode(true);
  const find = (part) => row.querySelector(part);
  // Looked up once, because rows are filled every second.
  row.parts = {
    use: find('use'),
    word: find('.word'),
    name: find('.name .account'),
    user: find('.name .user'),
    server: find('.server'),
    member: find('.member'),
    time: find('time'),
    ago: find('.ago'),
    exact: find('.exact'),
    why: find('.why'),
    line: find('path'),
    rate: find('.rate'),
    buttons: [...row.querySelectorAll('button')],
  };
  return row;
}

/** Shows an account in a row. `spark` has its recent events; `open` is true if its details are open. */
export function fillRow(row, account, { at, spark, open, readOnly }) {
  const { parts } = row;
  const { now } = at;
  const { tone, word, meaning } = standing(account, at);
  const reason = why(account, at);
  setAttribute(row, 'data-tone', tone);
  setAttribute(row, 'aria-selected', open);
  setAttribute(parts.use, 'href', `#shape-${tone}`);
  setText(parts.word, word);
  setAttribute(parts.word, 'title', meaning);
  setText(parts.name, account.name);
  setText(parts.server, account.server);
  setText(parts.member, account.member ?? '');
  setText(parts.why, reason);
  const user = account.user ? `@${account.user}` : '';
  setText(parts.user, user && ` ${user}`);
  setAttribute(parts.name.parentElement, 'title', [account.name, user, sinkWords(account.sinks)].filter(Boolean).join(' · '));
  setAttribute(parts.server, 'title', account.server);
  setAttribute(parts.member, 'title', account.member ?? null);
  setAttribute(parts.why, 'title', reason || null);
  setAttribute(parts.why, 'data-tone', account.waiting_event ? 'warn' : null);
  setAttribute(parts.time, 'datetime', account.since);
  setAttribute(parts.time, 'title', new Date(account.since).toString());
  setText(parts.ago, ago(account.since, now));
  setText(parts.exact, exact(account.since, now));
  fillEvents(parts, account, now, spark);
  fillButtons(parts.buttons, account, readOnly);
}

const sinkWords = (sinks = []) => (sinks.length === 0 ? '' : `${sinks.length === 1 ? 'sink' : 'sinks'} ${sinks.join(', ')}`);

function fillEvents(parts, account, now, spark) {
  const rate = Math.round(spark.perMinute(now));
  setText(parts.rate, rate === 0 ? '–' : `${number(rate)}/min`);
  setAttribute(parts.line, 'd', spark.path(now));
  const last = account.last_event ? `, last ${ago(account.last_event, now)}` : '';
  setAttribute(parts.rate, 'title', `${number(account.events)} events since matterhost started${last}`);
}

function fillButtons(buttons, account, readOnly) {
  rowActions(account).forEach(([action, { word }], index) => {
    const button = buttons[index];
    setAttribute(button, 'data-act', action);
    setText(button, word);
    setAttribute(button, 'aria-label', `${word} ${account.name}`);
    setAttribute(button, 'aria-disabled', readOnly ? 'true' : null);
    setAttribute(button, 'title', readOnly ? 'This token is read-only.' : null);
  });
}
