// What the reader wishes to see: search, filters, order. It is kept in the address, so that a reload and a link to a
// colleague show the same.

import { byId, setAttribute } from './dom.js';

// A list that is pointed at does not move beneath the pointer until this long after its last move.
const HELD_MS = 2_000;

/** The reader's wish. `changed` is called when it is another one. */
export class View {
  #changed;
  #wish = { query: '', states: new Set(), sort: 'state', reverse: false };
  #account = null;
  #heldUntil = 0;
  #order = new Map();

  constructor(changed) {
    this.#changed = changed;
    this.#fromAddress();
    this.#wireSearch();
    this.#wireSort();
    byId('scroller').addEventListener('pointermove', () => {
      this.#heldUntil = performance.now() + HELD_MS;
    }, { passive: true });
    byId('scroller').addEventListener('pointerleave', () => {
      this.#heldUntil = 0;
    });
  }

  get wish() {
    return this.#wish;
  }

  get account() {
    return this.#account;
  }

  /** The account whose details are open; the address remembers it. */
  set account(name) {
    this.#account = name;
    this.#toAddress();
  }

  /** A press on a count: that state alone, and with a second press all again. */
  press(kind) {
    const { states } = this.#wish;
    const only = states.size === 1 && states.has(kind);
    this.#set({ states: new Set(kind === 'all' || only ? [] : [kind]) });
  }

  /** Shows one kind of trouble. */
  only({ states, query }) {
    byId('search').value = query;
    this.#set({ states: new Set(states), query });
  }

  /** Keeps accounts where they are while the pointer moves over them; what is new comes last meanwhile. */
  hold(accounts) {
    if (performance.now() < this.#heldUntil) {
      const place = ({ name }) => this.#order.get(name) ?? Infinity;
      accounts.sort((a, b) => place(a) - place(b) || 0);
    }
    this.#order = new Map(accounts.map(({ name }, at) => [name, at]));
    return accounts;
  }

  #set(part) {
    Object.assign(this.#wish, part);
    this.#heldUntil = 0;
    this.#toAddress();
    this.#changed();
  }

  #wireSearch() {
    const search = byId('search');
    search.value = this.#wish.query;
    search.addEventListener('input', () => this.#set({ query: search.value }));
    search.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && search.value === '') {
        search.blur();
      } else if (event.key === 'ArrowDown' || event.key === 'Enter') {
        byId('scroller').querySelector('[role="row"][tabindex="0"]')?.focus();
        event.preventDefault();
      }
    });
    document.addEventListener('keydown', (event) => {
      const typing = event.target.closest('input, select, textarea, dialog');
      if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    });
  }

  #wireSort() {
    const heads = [...document.querySelectorAll('[data-sort]')];
    const show = () => heads.forEach((head) => {
      const { sort, reverse } = this.#wish;
      const direction = reverse ? 'descending' : 'ascending';
      setAttribute(head, 'aria-sort', head.dataset.sort === sort ? direction : null);
    });
    for (const head of heads) {
      head.querySelector('button').addEventListener('click', () => {
        const { sort, reverse } = this.#wish;
        const same = head.dataset.sort === sort;
        this.#set({ sort: head.dataset.sort, reverse: same && !reverse });
        show();
      });
    }
    show();
  }

  #fromAddress() {
    const address = new URLSearchParams(location.hash.slice(1));
    const list = (address.get('state') ?? '').split(',').filter(Boolean);
    this.#account = address.get('account');
    this.#wish = {
      query: address.get('q') ?? '',
      states: new Set(list),
      sort: address.get('sort') ?? 'state',
      reverse: address.has('reverse'),
    };
  }

  #toAddress() {
    const { query, states, sort, reverse } = this.#wish;
    const address = new URLSearchParams();
    const put = (name, value, is) => is && address.set(name, value);
    put('q', query, query !== '');
    put('state', [...states].join(), states.size > 0);
    put('sort', sort, sort !== 'state');
    put('reverse', '', reverse);
    put('account', this.#account, this.#account !== null);
    history.replaceState(null, '', `#${address}`);
  }
}
