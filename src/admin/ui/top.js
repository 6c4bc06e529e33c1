// What is said of all accounts at once: the verdict, the servers, the counts.

import { ask } from './api.js';
import { byId, make, setAttribute, setText, shape } from './dom.js';
import { STATES, number, span } from './words.js';

// Servers are not in the stream of rows.
const SERVERS_EVERY_MS = 2_000;

// Kinds of trouble that the verdict names; the list has them all.
const NAMED = 4;

/** The verdict: how many are ill, and of what. `pick` is called with the kind of trouble that is pressed. */
export function showVerdict({ all, ill }, kinds, pick) {
  document.title = ill > 0 ? `(${number(ill)} ill) matterhost` : 'matterhost';
  const key = JSON.stringify([all, kinds.map((kind) => [kind.key, kind.count, kind.first.name])]);
  const verdict = byId('verdict');
  if (verdict.dataset.key === key) {
    return;
  }
  verdict.dataset.key = key;
  const tone = kinds[0]?.tone ?? 'good';
  const sum = ill > 0 ? `${number(ill)} of ${number(all)} ill` : allWell(all);
  const named = kinds.slice(0, NAMED).map((kind) => trouble(kind, pick));
  verdict.replaceChildren(make('strong', { 'data-tone': tone }, shape(tone), sum), ...named);
}

const allWell = (all) => (all === 0 ? 'no accounts' : `all ${number(all)} well`);

/** Of one account the list right beneath says why; of many that have it in common it is said here. */
function trouble(kind, pick) {
  const single = kind.count === 1 && !kind.isServer;
  const who = kind.count === 1 ? kind.first.name : number(kind.count);
  const parts = single ? [`${who} ${kind.word}`] : [`${who} ${kind.word}`, kind.of].filter(Boolean);
  const text = (kind.isServer ? parts.reverse() : parts).join(': ');
  const attributes = { type: 'button', class: single && 'single', 'data-tone': kind.tone, title: text };
  return make('button', { ...attributes, onclick: () => pick(kind) }, text);
}

/** The counts by state, each a filter. They stay where they are while their numbers change. */
export class Counts {
  #buttons = new Map();

  constructor(pressed) {
    const kinds = [['all', 'all', null], ['ill', 'ill', 'bad']];
    Object.entries(STATES).forEach(([state, { word, tone }]) => kinds.push([state, word, tone]));
    for (const [kind, word, tone] of kinds) {
      const number_ = make('b');
      const children = [tone && shape(tone), `${word} `, number_];
      const button = make('button', { type: 'button', 'data-kind': kind, 'data-tone': tone, onclick: () => pressed(kind) }, ...children);
      this.#buttons.set(kind, { button, number: number_ });
    }
    byId('counts').append(...[...this.#buttons.values()].map(({ button }) => button));
  }

  /** Shows how many there are; a state that nobody is in is left out, but for a filter that is on. */
  show(counts, states) {
    for (const [kind, { button, number: text }] of this.#buttons) {
      const on = kind === 'all' ? states.size === 0 : states.has(kind);
      const always = kind === 'all' || kind === 'ill';
      setText(text, number(counts[kind] ?? 0));
      setAttribute(button, 'aria-pressed', on);
      button.hidden = !always && !on && !counts[kind];
    }
  }
}

/** Asks for the servers now and then, while `isUp()`; `took` is called with them. Gives what asks at once. */
export function startServers(isUp, took) {
  const refresh = async () => {
    if (isUp()) {
      const servers = await ask('v1/servers').then((answer) => answer.servers).catch(() => null);
      if (servers && isUp()) {
        took(servers);
      }
    }
  };
  setInterval(refresh, SERVERS_EVERY_MS);
  return refresh;
}

/** One piece a server, those in trouble first: where there are many, others may have no room. */
export function showServers(servers, now) {
  const weight = ({ up, paused_until: paused }) => (up ? (paused ? 1 : 2) : 0);
  const ordered = [...servers].sort((a, b) => weight(a) - weight(b));
  byId('servers').replaceChildren(...ordered.map((server) => item(server, now)));
}

function item(server, now) {
  const pausedMs = Date.parse(server.paused_until ?? '') - now;
  const tone = !server.up ? 'bad' : pausedMs > 0 ? 'warn' : 'good';
  const load = `${number(server.waiting)} requests wait, at most ${number(Math.round(server.requests_per_second))} a second`;
  const title = `${server.url ?? server.name}: ${number(server.accounts)} accounts, ${number(server.dials)} dialling; ${load}`;
  return make('li', { 'data-tone': tone, title }, shape(tone), make('b', {}, server.name), ` ${how(server, pausedMs, now)}`);
}

function how(server, pausedMs, now) {
  if (!server.up) {
    return server.down_since ? `down for ${span(now - Date.parse(server.down_since))}` : 'down';
  }
  if (pausedMs > 0) {
    return `rate limited for ${span(pausedMs)}`;
  }
  return server.waiting > 0 ? `${number(server.waiting)} wait` : 'up';
}
