// The details of one account, beside the list.

import { ACTIONS, act, allOffered } from './actions.js';
import { accountPath, ask } from './api.js';
import { byId, make, setAttribute, setText, shape } from './dom.js';
import { fillEndings } from './endings.js';
import { factsOf, makeFacts } from './facts.js';
import { standing, why } from './words.js';

// The details are asked for again this often at most, and at least that often, while they are open.
const SOONEST_MS = 1_000;
const LATEST_MS = 5_000;

/**
 * The details. `closed` is called when they are closed, `tail(name)` for the tail of the account, and `fresh(account)` with
 * an account that was just asked for.
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
    setInterval(() => this.#refresh(this.#changed ? SOONEST_MS : LATEST_MS), SOONEST_MS);
  }

  /** The account whose details are open, or null. */
  get name() {
    return this.#name;
  }

  set readOnly(is) {
    this.#readOnly = is;
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

  /** Closes them. */
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

  /** Takes note that these accounts changed: the rest of what is shown is asked for again soon. */
  changed(accounts) {
    this.#changed ||= accounts.some(({ name }) => name === this.#name);
  }

  /** Shows what the store has now. */
  update() {
    if (this.#name === null) {
      return;
    }
    const live = this.#store.get(this.#name);
    if (live) {
      this.#fill({ ...this.#detail, ...live });
    } else {
      setText(this.#parts.why, 'This account is not hosted here any more.');
      this.#parts.buttons.replaceChildren();
      // It may come back, and wants its buttons then.
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
      .catch((error) => ({ detail: null, problem: `The details cannot be had: ${error.message}` }));
    this.#asking = false;
    if (name === this.#name) {
      this.#detail = detail ?? this.#detail;
      setText(this.#parts.problem, problem);
      if (detail) {
        // When it is newer than the row, the two must not contradict each other.
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
      means: make('p', { class: 'note' }),
      buttons: make('div', { class: 'buttons' }),
      problem: make('p', { class: 'error', role: 'status' }),
      facts: makeFacts(),
      endings: make('div', { class: 'endings' }),
    };
    const close = make('button', { type: 'button', 'aria-label': 'Close the details', onclick: () => this.close() }, 'Close');
    const tail = make('button', { type: 'button', onclick: () => this.#on.tail(this.#name) }, 'Tail of this account');
    panel.replaceChildren(
      make('div', { class: 'panel-head' }, parts.name, close),
      parts.state,
      parts.why,
      parts.means,
      parts.buttons,
      parts.problem,
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
    const { tone, word, means } = standing(account, at);
    if (parts.state.dataset.tone !== tone || parts.state.textContent !== word) {
      parts.state.dataset.tone = tone;
      parts.state.replaceChildren(shape(tone), word);
    }
    setText(parts.why, why(account, at));
    setText(parts.means, means);
    this.#fillButtons(account);
    parts.facts.fill(factsOf(account, at.now));
    fillEndings(parts.endings, this.#detail?.endings, account.name, at.now);
  }

  /** Buttons are made anew only when others are offered: the focus stays on them. */
  #fillButtons(account) {
    const { buttons } = this.#parts;
    const offered = allOffered(account).map(([action]) => action);
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
      buttons.append(make('p', { class: 'note' }, 'This token may only look: log in with the full one to change something.'));
    }
  }
}
