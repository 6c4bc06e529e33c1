// One sink: its state, what it said last, what waits, and its buttons.

import { ask, sinkPath } from './api.js';
import { confirm } from './dialog.js';
import { make, setAttribute, setText, shape } from './dom.js';
import { runbook } from './endings.js';
import { READ_ONLY } from './actions.js';
import { showNotice } from './notice.js';
import { ago, count, lasting, number, span } from './words.js';

/** The states of sinks, worst first. */
export const SINK_STATES = {
  broken: { tone: 'bad', rank: 0, word: 'broken', meaning: 'Its thread has died, standard output was closed, or a bot in Rust fails on all events.' },
  failed_to_start: {
    tone: 'bad',
    rank: 1,
    word: 'failed to start',
    meaning: 'The program of its handler cannot be started. It is tried again.',
  },
  resting: {
    tone: 'bad',
    rank: 2,
    word: 'resting',
    meaning: 'Its restart budget is used up, or its handler asked for a pause. It is tried again afterwards.',
  },
  retrying: {
    tone: 'warn',
    rank: 3,
    word: 'retrying',
    meaning: 'Events wait to be tried again, or its handler is about to start again. Nothing is lost.',
  },
  running: { tone: 'good', rank: 4, word: 'running', meaning: 'It accepts events.' },
};

const ACTIONS = {
  'restart': {
    word: 'Restart',
    effect: 'Its child process ends and the next one starts at once, with its whole restart budget. A sink without a child'
      + ' ends its pauses. What waits is tried at once; nothing is lost.',
  },
  'retry-now': {
    word: 'Retry now',
    effect: 'Its pauses end, its child process starts if none runs, and what waits is tried at once.',
  },
};

/** Creates the card of a sink. */
export function makeSink(name) {
  const parts = {
    state: make('span', { class: 'state' }),
    facts: make('p', { class: 'note' }),
    said: make('p', { class: 'said' }),
    about: make('p', { class: 'note' }),
    log: make('pre', { class: 'log', tabindex: '0', 'aria-label': `Last lines of standard error of ${name}` }),
    events: make('ul', { class: 'sink-events', 'aria-label': `Events that wait at ${name}` }),
    buttons: make('div', { class: 'buttons' }),
    meaning: make('p', { class: 'note' }),
  };
  const title = make('h3', {}, make('b', {}, name), ' ', parts.state);
  const element = make(
    'section',
    { class: 'sink', tabindex: '-1', 'aria-label': `Sink ${name}`, 'data-sink': name },
    title, parts.facts, parts.said, parts.about, parts.log, parts.events, parts.meaning, parts.buttons,
  );
  return { element, parts };
}

/** Shows a sink in its card. */
export function fillSink({ element, parts }, sink, context) {
  const { tone, word, meaning } = SINK_STATES[sink.state] ?? { tone: 'warn', word: sink.state, meaning: '' };
  setAttribute(element, 'data-tone', tone);
  if (parts.state.dataset.word !== word) {
    parts.state.dataset.word = word;
    parts.state.dataset.tone = tone;
    parts.state.replaceChildren(shape(tone), word);
  }
  setText(parts.facts, facts(sink, context.now));
  setText(parts.said, said(sink, context.now));
  setText(parts.about, about(sink));
  setText(parts.log, sink.last_lines.join('\n'));
  parts.log.hidden = sink.last_lines.length === 0 || sink.state === 'running';
  fillMeaning(parts.meaning, sink.state, meaning);
  fillEvents(parts.events, sink, context);
  fillButtons(parts.buttons, sink, context);
}

function fillMeaning(element, state, meaning) {
  if (element.dataset.state !== state) {
    element.dataset.state = state;
    element.replaceChildren(meaning, ' ', runbook('sinks', state, 'What to do'));
  }
}

function facts(sink, now) {
  const slots = sink.slots_in_use.map(({ account, slots: used }) => `${account} ${used}`).join(', ');
  const left = sink.filtered.map(({ key, events }) => `${number(events)} ${key}`).join(', ');
  const parts = [
    `${sink.type}${sink.best_effort ? ', best effort' : ''}`,
    `${sink.state === 'running' ? 'running' : 'in this state'} for ${lasting(sink.since, now)}`,
    `${count(sink.account_count, 'accounts')}: ${sink.accounts.slice(0, 10).join(', ')}`,
    sink.slots === undefined ? null : `slots in use: ${slots || 'none'} of ${sink.slots}`,
    sink.budget ? `restart budget: ${sink.budget.left} left, ${sink.budget.used} used` : null,
    sink.filtered.length ? `left out by its filter: ${left}` : null,
    sink.lost ? `${count(sink.lost, 'events')} missed (best_effort)` : null,
    count(sink.dead_letters, 'dead letters'),
    sink.waiting === 1 ? '1 event waits' : `${number(sink.waiting)} events wait`,
  ];
  return parts.filter(Boolean).join(' · ');
}

/** Describes what a sink said last, and its next attempt. */
export function said(sink, now) {
  const exited = sink.last_exit && (sink.next_attempt || !sink.last_complaint);
  const text = exited ? sink.last_exit.cause : sink.last_complaint?.text;
  const at = exited ? sink.last_exit.at : sink.last_complaint?.at;
  const parts = [text && `${text} (${when(at, now)})`, next(sink.next_attempt, now)];
  return sink.state === 'running' && !text ? '' : parts.filter(Boolean).join('; ');
}

const when = (at, now) => {
  const words = ago(at, now);
  return words === 'now' ? 'now' : `${words} ago`;
};

function next(at, now) {
  const wait = Date.parse(at ?? '') - now;
  if (Number.isNaN(wait)) {
    return '';
  }
  return wait < 1000 ? 'next attempt now' : `next attempt in ${span(wait)}`;
}

function about({ last_complaint: it, state }) {
  return it && state !== 'running' ? `about event ${it.event} in channel ${it.channel} of ${it.account}` : '';
}

/** Shows the waiting events; only their times are updated unless an event was added or is gone. */
function fillEvents(element, sink, context) {
  const shown = sink.events.filter((event) => event.next_attempt || context.now - Date.parse(event.since) > 2_000);
  const key = JSON.stringify([shown.map((event) => [event.event, event.account, event.cause]), context.readOnly]);
  if (element.dataset.key !== key) {
    element.dataset.key = key;
    element.replaceChildren(...shown.map((event) => eventItem(sink, event, context)));
  }
  shown.forEach((event, at) => setText(element.children[at].firstChild, eventWords(event, context.now)));
}

function eventWords(event, now) {
  const { account, channel, event: id, since, attempts, next_attempt: at, cause } = event;
  const what = `event ${id} of ${account} in channel ${channel}`;
  const then = at ? `: ${count(attempts, 'attempts')}, ${next(at, now)}: ${cause}` : '';
  return `${at ? 'waits' : 'not answered'} for ${lasting(since, now)}: ${what}${then}`;
}

function eventItem(sink, event, { readOnly, changed }) {
  const { account, channel, event: id } = event;
  const press = () => question(readOnly, {
    title: `Skip event ${id}?`,
    text: `It is taken from ${sink.name} and kept as a dead letter; channel ${channel} of ${account} continues.`,
    go: 'Skip the event',
    act: async () => {
      await ask(sinkPath(sink.name, 'skip'), { method: 'POST', body: { account, channel, event: id } });
      showNotice(`Event ${id} becomes a dead letter.`);
      changed();
    },
  });
  const label = `Skip event ${id} of ${account}`;
  const attributes = { type: 'button', 'aria-label': label, 'aria-disabled': readOnly && 'true', onclick: press };
  const skips = sink.type === 'webhook' || sink.type === 'exec';
  return make('li', {}, make('span', {}), skips && make('button', attributes, 'Skip'));
}

function question(readOnly, what) {
  if (readOnly) {
    showNotice(READ_ONLY);
  } else {
    confirm(what);
  }
}

/** Recreates the buttons only if they differ, so that the focus stays on them. */
function fillButtons(element, sink, { readOnly, changed }) {
  const key = `${readOnly} ${sink.dead_letters > 0}`;
  if (element.dataset.key === key) {
    return;
  }
  element.dataset.key = key;
  const disabled = readOnly && 'true';
  const button = (word, label, press) =>
    make('button', { type: 'button', 'aria-label': label, 'aria-disabled': disabled, onclick: press }, word);
  const actions = Object.entries(ACTIONS).map(([action, { word, effect }]) => button(word, `${word} ${sink.name}`, () => question(readOnly, {
    title: `${word} ${sink.name}?`,
    text: effect,
    go: `${word} ${sink.name}`,
    act: async () => {
      await ask(sinkPath(sink.name, action), { method: 'POST' });
      showNotice(`${word} of ${sink.name} requested.`);
      changed();
    },
  })));
  const retry = () => question(readOnly, {
    title: `Retry the dead letters of ${sink.name}?`,
    text: 'They are sent to the handler again, in order, and its answers are posted. Those that it refuses again are kept.',
    go: 'Retry them',
    act: async () => {
      const body = await ask(sinkPath(sink.name, 'dead-letters/retry'), { method: 'POST', body: {}, slow: true });
      showNotice(`${body.accepted} accepted, ${body.refused} refused again, ${body.remaining} not sent.`);
      changed();
    },
  });
  const letters = sink.dead_letters > 0 ? [button('Retry dead letters', `Retry the dead letters of ${sink.name}`, retry)] : [];
  element.replaceChildren(...actions, ...letters);
}
