// The details of one account, beside the list.

import { ACTIONS, READ_ONLY, act, allActions } from './actions.js';
import { accountPath, ask } from './api.js';
import { byId, make, setAttribute, setText, shape } from './dom.js';
import { fillEndings, runbook } from './endings.js';
import { factsOf, makeFacts } from './facts.js';
import { standing, why } from './words.js';

// The shortest and the longest time between two requests for the details while they are open.
const MIN_REFRESH_MS = 1_000;
const MAX_REFRESH_MS = 5_000;

/**
 * The details of an account. Calls `closed(name)` when they close, `tail(name)` to open its tail, `sink(name)` to open a
 * sink, and `fresh(account)` with each response.
 */
export class Panel {
  #store;
  #on;
  #name = null;
  #detail = null;
  #parts = null;
  #askedAt = 0;
  #asking = false;
  #changed = false;
  #readOnly = false;

  constructor(store, on) {
    this.#store = store;
    this.#on = on;
    byId('panel').addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        this.close();
      }
    });
    setInterval(() => this.#refresh(this.#changed ? MIN_REFRESH_MS : MAX_REFRESH_MS), MIN_REFRESH_MS);
  }

  /** Returns the account whose details are open, or null. */
  get name() {
    return this.#name;
  }

  set readOnly(readOnly) {
    this.#readOnly = readOnly;
  }

  /** Opens the details of an account. */
  open(name, { focus = true } = {}) {
    const panel = byId('panel');
    this.#name = name;
    this.#detail = null;
    this.#askedAt = 0;
    this.#parts = this.#make(panel);
    panel.hidden = false;
    this.update();
    this.#refresh(0);
    if (focus) {
      this.#parts.name.focus();
    }
  }

  /** Closes the details. */
  close() {
    if (this.#name !== null) {
      const name = this.#name;
      this.#name = null;
      this.#detail = null;
      byId('panel').hidden = true;
      byId('panel').replaceChildren();
      this.#on.closed(name);
    }
  }

  /** Schedules an early refresh if the account is among these changed ones. */
  changed(accounts) {
    this.#changed ||= accounts.some(({ name }) => name === this.#name);
  }

  /** Shows the current data of the store. */
  update() {
    if (this.#name === null) {
      return;
    }
    const live = this.#store.get(this.#name);
    if (live) {
      this.#fill({ ...this.#detail, ...live });
    } else {
      setText(this.#parts.why, 'This account is no longer hosted here.');
      this.#parts.buttons.replaceChildren();
      // Its buttons are recreated if it comes back.
      delete this.#parts.buttons.dataset.key;
    }
  }

  async #refresh(after) {
    const name = this.#name;
    const now = Date.now();
    if (name === null || this.#asking || document.hidden || now - this.#askedAt < after || !this.#store.get(name)) {
      return;
    }
    this.#asking = true;
    this.#changed = false;
    this.#askedAt = now;
    const { detail, problem } = await ask(accountPath(name))
      .then((answer) => ({ detail: answer, problem: '' }))
      .catch((error) => ({ detail: null, problem: `Cannot load the details: ${error.message}` }));
    this.#asking = false;
    if (name === this.#name) {
      this.#detail = detail ?? this.#detail;
      setText(this.#parts.problem, problem);
      if (detail) {
        // Updates the row, too, so that the two agree.
        this.#on.fresh(detail);
      }
      this.update();
    }
  }

  #make(panel) {
    const parts = {
      state: make('p', { class: 'state' }),
      name: make('h2', { id: 'panel-name', tabindex: '-1' }, this.#name),
      why: make('p', { class: 'why' }),
      meaning: make('p', { class: 'note' }),
      buttons: make('div', { class: 'buttons' }),
      problem: make('p', { class: 'error', role: 'status' }),
      sinks: make('div', { class: 'buttons' }),
      facts: makeFacts(),
      endings: make('div', { class: 'endings' }),
    };
    const close = make('button', { type: 'button', 'aria-label': 'Close the details', onclick: () => this.close() }, 'Close');
    const tail = make('button', { type: 'button', onclick: () => this.#on.tail(this.#name) }, 'Tail this account');
    panel.replaceChildren(
      make('div', { class: 'panel-head' }, parts.name, close),
      parts.state,
      parts.why,
      parts.meaning,
      parts.buttons,
      parts.problem,
      parts.sinks,
      parts.facts.element,
      make('h3', {}, 'Last endings'),
      parts.endings,
      tail,
    );
    return parts;
  }

  #fill(account) {
    const parts = this.#parts;
    const { at } = this.#store;
    const { tone, word, meaning } = standing(account, at);
    if (parts.state.dataset.tone !== tone || parts.state.textContent !== word) {
      parts.state.dataset.tone = tone;
      parts.state.replaceChildren(shape(tone), word);
    }
    setText(parts.why, why(account, at));
    if (parts.meaning.dataset.state !== account.state) {
      parts.meaning.dataset.state = account.state;
      parts.meaning.replaceChildren(meaning, ' ', runbook('states', account.state, 'What to do'));
    }
    this.#fillSinks(account);
    this.#fillButtons(account);
    parts.facts.fill(factsOf(account, at.now));
    fillEndings(parts.endings, this.#detail?.endings, account.name, at.now);
  }

  /** Shows a button for each sink, which opens the view of the sinks there. */
  #fillSinks({ sinks = [] }) {
    const { sinks: element } = this.#parts;
    const key = sinks.join();
    if (element.dataset.key !== key) {
      element.dataset.key = key;
      const button = (name) =>
        make('button', { type: 'button', onclick: () => this.#on.sink(name) }, `Sink ${name}`);
      element.replaceChildren(...sinks.map(button));
    }
  }

  /** Recreates the buttons only if they differ, so that the focus stays on them. */
  #fillButtons(account) {
    const { buttons } = this.#parts;
    const offered = allActions(account).map(([action]) => action);
    const key = `${offered.join()} ${this.#readOnly}`;
    if (buttons.dataset.key === key) {
      return;
    }
    buttons.dataset.key = key;
    const button = (action) => {
      const press = () => act(this.#store.get(this.#name) ?? account, action, { readOnly: this.#readOnly });
      return make('button', { type: 'button', 'data-act': action, onclick: press }, ACTIONS[action].word);
    };
    buttons.replaceChildren(...offered.map(button));
    if (this.#readOnly) {
      buttons.querySelectorAll('button').forEach((one) => setAttribute(one, 'aria-disabled', 'true'));
      buttons.append(make('p', { class: 'note' }, READ_ONLY));
    }
  }
}
