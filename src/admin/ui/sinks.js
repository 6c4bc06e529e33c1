// The sinks: what each says, what waits, and the buttons that get it going.

import { ask } from './api.js';
import { byId, setAttribute, setText } from './dom.js';
import { SINK_STATES, fillSink, makeSink } from './sink.js';
import { number } from './words.js';

// The sinks are polled: slowly for the count on the button, quickly while they are shown.
const CLOSED_EVERY_MS = 5_000;
const OPEN_EVERY_MS = 1_500;

const troubled = ({ state }) => state !== 'running';

const worstFirst = (a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name);

const rank = ({ state }) => SINK_STATES[state]?.rank ?? 0;

/** The view of the sinks. `isUp()` tells if the service is connected, `now()` returns its time. */
export class Sinks {
  #on;
  #sinks = [];
  #cards = new Map();
  #askedAt = 0;
  #asking = false;
  #readOnly = false;

  constructor(on) {
    this.#on = on;
    byId('sinks-toggle').addEventListener('click', () => (this.isOpen ? this.close() : this.open()));
    byId('sinks-close').addEventListener('click', () => this.close());
    byId('sinks').addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        this.close();
        byId('sinks-toggle').focus();
      }
    });
    setInterval(() => this.refresh(this.isOpen ? OPEN_EVERY_MS : CLOSED_EVERY_MS), 500);
  }

  get isOpen() {
    return !byId('sinks').hidden;
  }

  set readOnly(readOnly) {
    this.#readOnly = readOnly;
  }

  /** Returns the sinks as last seen. */
  all() {
    return this.#sinks;
  }

  /** Opens the view, at one sink if a name is given. */
  open(name) {
    byId('sinks').hidden = false;
    byId('sinks-toggle').setAttribute('aria-expanded', 'true');
    this.#fill();
    this.refresh(0);
    const card = name === undefined ? null : this.#cards.get(name);
    (card?.element ?? byId('sinks-title')).focus();
    card?.element.scrollIntoView({ block: 'nearest' });
  }

  /** Closes the view. */
  close() {
    byId('sinks').hidden = true;
    byId('sinks-toggle').setAttribute('aria-expanded', 'false');
  }

  /** Removes all data, as for a logout. */
  clear() {
    this.close();
    this.#sinks = [];
    this.#fill();
  }

  /** Asks for the sinks, unless that was done within this time. */
  async refresh(after) {
    const now = Date.now();
    if (this.#asking || document.hidden || !this.#on.isUp() || now - this.#askedAt < after) {
      return;
    }
    this.#asking = true;
    this.#askedAt = now;
    const { answer, problem } = await ask('v1/sinks')
      .then(({ sinks }) => ({ answer: sinks, problem: '' }))
      .catch((error) => ({ answer: null, problem: `Cannot load the sinks: ${error.message}` }));
    this.#asking = false;
    setText(byId('sinks-problem'), problem);
    if (answer && this.#on.isUp()) {
      this.#sinks = answer.sort(worstFirst);
      this.#fill();
    }
  }

  #fill() {
    const bad = this.#sinks.filter(troubled).length;
    setText(byId('sinks-toggle'), bad === 0 ? 'Sinks' : `Sinks (${number(bad)})`);
    setAttribute(byId('sinks-toggle'), 'title', bad === 0 ? null : `${number(bad)} of ${number(this.#sinks.length)} in trouble`);
    setAttribute(byId('sinks-toggle'), 'data-tone', bad === 0 ? null : 'warn');
    if (!this.isOpen) {
      return;
    }
    const list = byId('sinks-list');
    const names = new Set(this.#sinks.map(({ name }) => name));
    for (const name of [...this.#cards.keys()].filter((known) => !names.has(known))) {
      this.#cards.get(name).element.remove();
      this.#cards.delete(name);
    }
    const context = { now: this.#on.now(), readOnly: this.#readOnly, changed: () => this.refresh(0) };
    this.#sinks.forEach((sink, at) => {
      if (!this.#cards.has(sink.name)) {
        this.#cards.set(sink.name, makeSink(sink.name));
      }
      const card = this.#cards.get(sink.name);
      fillSink(card, sink, context);
      // A card is only moved if it must, so that the focus stays.
      if (list.children[at] !== card.element && !card.element.contains(document.activeElement)) {
        list.insertBefore(card.element, list.children[at] ?? null);
      }
    });
    const empty = byId('sinks-empty');
    empty.hidden = this.#sinks.length > 0;
  }
}
