// The search, filters and order of the list, stored in the URL so that a reload or a shared link shows the same.

import { byId, setAttribute } from './dom.js';

// The list is not reordered under the pointer until this long after its last move.
const HOLD_MS = 2_000;

/** The filter of the list. `changed` is called on every change. */
export class View {
  #changed;
  #filter = { query: '', states: new Set(), sort: 'state', reverse: false };
  #account = null;
  #heldUntil = 0;
  #order = new Map();

  constructor(changed) {
    this.#changed = changed;
    this.#loadFromUrl();
    this.#wireSearch();
    this.#wireSort();
    byId('scroller').addEventListener('pointermove', () => {
      this.#heldUntil = performance.now() + HOLD_MS;
    }, { passive: true });
    byId('scroller').addEventListener('pointerleave', () => {
      this.#heldUntil = 0;
    });
  }

  get filter() {
    return this.#filter;
  }

  get account() {
    return this.#account;
  }

  /** Sets the account whose details are open, and stores it in the URL. */
  set account(name) {
    this.#account = name;
    this.#storeInUrl();
  }

  /** Toggles a count: the first click filters by that state, the second shows all again. */
  press(kind) {
    const { states } = this.#filter;
    const only = states.size === 1 && states.has(kind);
    this.#set({ states: new Set(kind === 'all' || only ? [] : [kind]) });
  }

  /** Filters the accounts with one problem. */
  only({ states, query }) {
    byId('search').value = query;
    this.#set({ states: new Set(states), query });
  }

  /** Keeps the order of the accounts while the pointer moves over them; new accounts come last meanwhile. */
  hold(accounts) {
    if (performance.now() < this.#heldUntil) {
      const place = ({ name }) => this.#order.get(name) ?? Infinity;
      accounts.sort((a, b) => place(a) - place(b) || 0);
    }
    this.#order = new Map(accounts.map(({ name }, at) => [name, at]));
    return accounts;
  }

  #set(part) {
    Object.assign(this.#filter, part);
    this.#heldUntil = 0;
    this.#storeInUrl();
    this.#changed();
  }

  #wireSearch() {
    const search = byId('search');
    search.value = this.#filter.query;
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
      const { sort, reverse } = this.#filter;
      const direction = reverse ? 'descending' : 'ascending';
      setAttribute(head, 'aria-sort', head.dataset.sort === sort ? direction : null);
    });
    for (const head of heads) {
      head.querySelector('button').addEventListener('click', () => {
        const { sort, reverse } = this.#filter;
        const same = head.dataset.sort === sort;
        this.#set({ sort: head.dataset.sort, reverse: same && !reverse });
        show();
      });
    }
    show();
  }

  #loadFromUrl() {
    const address = new URLSearchParams(location.hash.slice(1));
    const list = (address.get('state') ?? '').split(',').filter(Boolean);
    this.#account = address.get('account');
    this.#filter = {
      query: address.get('q') ?? '',
      states: new Set(list),
      sort: address.get('sort') ?? 'state',
      reverse: address.has('reverse'),
    };
  }

  #storeInUrl() {
    const { query, states, sort, reverse } = this.#filter;
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
