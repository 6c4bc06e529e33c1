// One row of the list: an account at a glance.

import { offered } from './actions.js';
import { byId, setAttribute, setText } from './dom.js';
import { ago, exact, number, standing, why } from './words.js';

/** An empty row. */
export function makeRow() {
  const row = byId('row-template').content.firstElementChild.cloneNode(true);
  const find = (part) => row.querySelector(part);
  // Looked up once: rows are filled each second.
  row.parts = {
    use: find('use'),
    word: find('.word'),
    name: find('.name'),
    server: find('.server'),
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

/** Puts an account in a row. `spark` is what was seen of its events, `open` whether its details are open. */
export function fillRow(row, account, { at, spark, open, readOnly }) {
  const { parts } = row;
  const { now } = at;
  const { tone, word, means } = standing(account, at);
  const reason = why(account, at);
  setAttribute(row, 'data-tone', tone);
  setAttribute(row, 'aria-selected', open);
  setAttribute(parts.use, 'href', `#shape-${tone}`);
  setText(parts.word, word);
  setAttribute(parts.word, 'title', means);
  setText(parts.name, account.name);
  setText(parts.server, account.server);
  setText(parts.why, reason);
  setAttribute(parts.name, 'title', account.name);
  setAttribute(parts.why, 'title', reason || null);
  setAttribute(parts.time, 'datetime', account.since);
  setAttribute(parts.time, 'title', new Date(account.since).toString());
  setText(parts.ago, ago(account.since, now));
  setText(parts.exact, exact(account.since, now));
  fillEvents(parts, account, now, spark);
  fillButtons(parts.buttons, account, readOnly);
}

function fillEvents(parts, account, now, spark) {
  const rate = Math.round(spark.aMinute(now));
  setText(parts.rate, rate === 0 ? '–' : `${number(rate)}/min`);
  setAttribute(parts.line, 'd', spark.path(now));
  const last = account.last_event ? `, the last ${ago(account.last_event, now)}` : '';
  setAttribute(parts.rate, 'title', `${number(account.events)} events since matterhost was started${last}`);
}

function fillButtons(buttons, account, readOnly) {
  offered(account).forEach(([action, { word }], index) => {
    const button = buttons[index];
    setAttribute(button, 'data-act', action);
    setText(button, word);
    setAttribute(button, 'aria-label', `${word} ${account.name}`);
    setAttribute(button, 'aria-disabled', readOnly ? 'true' : null);
    setAttribute(button, 'title', readOnly ? 'This token may only look.' : null);
  });
}
