// The summary of all accounts: the verdict, the servers and the counts.

import { ask } from './api.js';
import { byId, make, setAttribute, setText, shape } from './dom.js';
import { STATES, number, span } from './words.js';

// Servers are polled, because the stream of rows does not contain them.
const SERVERS_EVERY_MS = 2_000;

// Problems that the verdict names; the list has them all.
const NAMED = 4;

/** Shows the number of unhealthy accounts and their problems. `pick` is called with a problem that is clicked. */
export function showVerdict({ all, unhealthy }, kinds, pick) {
  document.title = unhealthy > 0 ? `(${number(unhealthy)} unhealthy) matterhost` : 'matterhost';
  const key = JSON.stringify([all, kinds.map((kind) => [kind.key, kind.count, kind.first.name])]);
  const verdict = byId('verdict');
  if (verdict.dataset.key === key) {
    return;
  }
  verdict.dataset.key = key;
  const tone = kinds[0]?.tone ?? 'good';
  const sum = unhealthy > 0 ? `${number(unhealthy)} of ${number(all)} unhealthy` : allHealthy(all);
  const named = kinds.slice(0, NAMED).map((kind) => problemButton(kind, pick));
  verdict.replaceChildren(make('strong', { 'data-tone': tone }, shape(tone), sum), ...named);
}

const allHealthy = (all) => (all === 0 ? 'no accounts' : `all ${number(all)} healthy`);

/** Creates the button of a problem. The cause is left out for a single account, because the list shows it. */
function problemButton(kind, pick) {
  const single = kind.count === 1 && !kind.isServer;
  const who = kind.count === 1 ? kind.first.name : number(kind.count);
  const parts = single ? [`${who} ${kind.word}`] : [`${who} ${kind.word}`, kind.of].filter(Boolean);
  const text = (kind.isServer ? parts.reverse() : parts).join(': ');
  const attributes = { type: 'button', class: single && 'single', 'data-tone': kind.tone, title: text };
  return make('button', { ...attributes, onclick: () => pick(kind) }, text);
}

/** The counts by state, each a filter. Their order never changes. */
export class Counts {
  #buttons = new Map();

  constructor(pressed) {
    const kinds = [['all', 'all', null], ['unhealthy', 'unhealthy', 'bad']];
    Object.entries(STATES).forEach(([state, { word, tone }]) => kinds.push([state, word, tone]));
    for (const [kind, word, tone] of kinds) {
      const number_ = make('b');
      const children = [tone && shape(tone), `${word} `, number_];
      const button = make('button', { type: 'button', 'data-kind': kind, 'data-tone': tone, onclick: () => pressed(kind) }, ...children);
      this.#buttons.set(kind, { button, number: number_ });
    }
    byId('counts').append(...[...this.#buttons.values()].map(({ button }) => button));
  }

  /** Updates the counts; a state without accounts is hidden unless its filter is on. */
  show(counts, states) {
    for (const [kind, { button, number: text }] of this.#buttons) {
      const on = kind === 'all' ? states.size === 0 : states.has(kind);
      const always = kind === 'all' || kind === 'unhealthy';
      setText(text, number(counts[kind] ?? 0));
      setAttribute(button, 'aria-pressed', on);
      button.hidden = !always && !on && !counts[kind];
    }
  }
}

/** Polls the servers while `isUp()` and calls `update` with them. Returns a function that polls at once. */
export function startServers(isUp, update) {
  const refresh = async () => {
    if (isUp()) {
      const servers = await ask('v1/servers').then((answer) => answer.servers).catch(() => null);
      if (servers && isUp()) {
        update(servers);
      }
    }
  };
  setInterval(refresh, SERVERS_EVERY_MS);
  return refresh;
}

/** Shows the servers, those with problems first, because there may not be room for all. */
export function showServers(servers, now) {
  const weight = ({ up, paused_until: paused }) => (up ? (paused ? 1 : 2) : 0);
  const ordered = [...servers].sort((a, b) => weight(a) - weight(b));
  byId('servers').replaceChildren(...ordered.map((server) => item(server, now)));
}

function item(server, now) {
  const pausedMs = Date.parse(server.paused_until ?? '') - now;
  const tone = !server.up ? 'bad' : pausedMs > 0 ? 'warn' : 'good';
  const load = `${number(server.waiting)} requests waiting, at most ${number(Math.round(server.requests_per_second))} per second`;
  const title = `${server.url ?? server.name}: ${number(server.accounts)} accounts, ${number(server.dials)} dialling; ${load}`;
  return make('li', { 'data-tone': tone, title }, shape(tone), make('b', {}, server.name), ` ${status(server, pausedMs, now)}`);
}

function status(server, pausedMs, now) {
  if (!server.up) {
    return server.down_since ? `down for ${span(now - Date.parse(server.down_since))}` : 'down';
  }
  if (pausedMs > 0) {
    return `rate limited for ${span(pausedMs)}`;
  }
  return server.waiting > 0 ? `${number(server.waiting)} waiting` : 'up';
}
