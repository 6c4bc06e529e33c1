// The live tail of facts.

import { byId, make, setText } from './dom.js';
import { Feed } from './feed.js';
import { exact, number } from './words.js';

// Lines kept to scroll back through; older lines are dropped, also while paused.
const MAX_LINES = 500;

// Facts are drawn together, four times a second.
const DRAW_MS = 250;

// Names that the account field suggests.
const MAX_NAMES = 200;

// The list follows new lines if it is scrolled this close to its end.
const NEAR_END_PX = 40;

/** The tail. `refused` is called if the token is refused; `names` returns the accounts. */
export class Tail {
  #on;
  #feed = null;
  #waiting = [];
  #dropped = 0;
  #paused = false;
  #timer = null;

  constructor(on) {
    this.#on = on;
    byId('tail-toggle').addEventListener('click', () => (this.isOpen ? this.close() : this.open()));
    byId('tail-close').addEventListener('click', () => this.close());
    byId('tail-clear').addEventListener('click', () => this.#clear());
    byId('tail-pause').addEventListener('click', () => this.#pause(!this.#paused));
    byId('tail-account').addEventListener('change', () => this.#restart());
    byId('tail-level').addEventListener('change', () => this.#restart());
    byId('tail').addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        this.close();
      }
    });
  }

  get isOpen() {
    return !byId('tail').hidden;
  }

  /** Opens the tail of one account or of all. */
  open(account) {
    byId('tail').hidden = false;
    byId('tail-toggle').setAttribute('aria-expanded', 'true');
    if (account !== undefined) {
      byId('tail-account').value = account;
    }
    this.#suggestNames();
    this.#restart();
    byId('tail-account').focus();
  }

  /** Closes the tail and its stream. */
  close() {
    if (this.isOpen) {
      const focused = byId('tail').contains(document.activeElement);
      byId('tail').hidden = true;
      byId('tail-toggle').setAttribute('aria-expanded', 'false');
      this.#end();
      if (focused) {
        byId('tail-toggle').focus();
      }
    }
  }

  #suggestNames() {
    const names = [];
    for (const { name } of this.#on.names()) {
      if (names.push(name) >= MAX_NAMES) {
        break;
      }
    }
    byId('tail-names').replaceChildren(...names.map((value) => make('option', { value })));
  }

  #end() {
    this.#feed?.stop();
    this.#feed = null;
    this.#clear();
  }

  #restart() {
    this.#end();
    this.#pause(false);
    const query = new URLSearchParams({ level: byId('tail-level').value });
    const account = byId('tail-account').value.trim();
    if (account) {
      query.set('account', account);
    }
    this.#setStatus('connecting');
    this.#feed = new Feed(`v1/events?${query}`, {
      event: (type, value) => this.#take(type, value),
      state: ({ up, problem }) => this.#setStatus(up ? '' : `not connected: ${problem?.message ?? 'the stream ended'}`),
      refused: this.#on.refused,
    });
    this.#feed.start();
  }

  #take(type, value) {
    if (type !== 'fact' && type !== 'gap') {
      return;
    }
    this.#waiting.push(type === 'gap' ? { gap: value.missed } : value);
    if (this.#waiting.length > MAX_LINES) {
      this.#waiting.shift();
      this.#dropped += 1;
    }
    this.#timer ??= setTimeout(() => this.#draw(), DRAW_MS);
  }

  #draw() {
    this.#timer = null;
    if (this.#paused) {
      this.#setStatus(`paused; ${number(this.#waiting.length + this.#dropped)} more`);
      return;
    }
    const list = byId('tail-lines');
    const follows = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
    if (this.#dropped > 0) {
      this.#waiting[0] = { gap: this.#dropped + 1 };
    }
    list.append(...this.#waiting.map(line));
    this.#waiting = [];
    this.#dropped = 0;
    while (list.children.length > MAX_LINES) {
      list.firstElementChild.remove();
    }
    if (follows) {
      list.scrollTop = list.scrollHeight;
    }
  }

  #pause(paused) {
    this.#paused = paused;
    byId('tail-pause').setAttribute('aria-pressed', paused);
    this.#setStatus(paused ? 'paused' : '');
    if (!paused && this.#waiting.length > 0) {
      this.#draw();
    }
  }

  #clear() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting = [];
    this.#dropped = 0;
    byId('tail-lines').replaceChildren();
  }

  #setStatus(text) {
    setText(byId('tail-status'), text);
  }
}

function line(fact) {
  if (fact.gap !== undefined) {
    return make('div', { 'data-level': 'warn' }, make('span', { class: 'message' }, fact.gap ? `${number(fact.gap)} facts are missing here` : 'some facts are missing here'));
  }
  const subject = fact.account ? `${fact.account}#${fact.generation ?? ''}` : (fact.server ?? '');
  const level = String(fact.level ?? '').toLowerCase();
  return make(
    'div',
    { 'data-level': level },
    make('time', { datetime: fact.at, title: fact.at }, exact(fact.at, Date.now())),
    make('span', { class: 'level' }, level),
    make('span', { class: 'subject', title: subject }, subject),
    make('span', { class: 'message' }, fact.message ?? fact.fact),
  );
}
