// A virtual grid with keyboard navigation: only the visible rows are in the document.

// Extra rows above and below the visible ones, so that a quick scroll shows no gap and a key press finds its row.
const OVERSCAN = 6;

// Removed rows kept for reuse.
const MAX_SPARE = 60;

// The aria-rowindex of the first account; the headings are row 1.
const FIRST_ROW = 2;

/**
 * A virtual grid. `make` creates an empty row, `fill(row, item)` shows an item in it, `open(item)` is called on Enter and
 * on a click, `act(item, action)` on a button. Items are identified by `item.name`.
 */
export class Grid {
  #parts;
  #on;
  #items = [];
  #rows = new Map();
  #spare = [];
  #activeName = null;
  #active = 0;
  #due = false;

  constructor({ grid, scroller, spacer }, on) {
    this.#parts = { grid, scroller, spacer };
    this.#on = on;
    scroller.addEventListener('scroll', () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(scroller);
    scroller.addEventListener('keydown', (event) => this.#key(event));
    scroller.addEventListener('click', (event) => this.#click(event));
    scroller.addEventListener('focusin', (event) => this.#focused(event));
  }

  /** Shows these items in this order. The active item stays active if it is among them. */
  show(items) {
    const hadFocus = this.#hasFocus();
    this.#items = items;
    const at = items.findIndex((item) => item.name === this.#activeName);
    this.#active = at >= 0 ? at : Math.min(this.#active, Math.max(0, items.length - 1));
    this.#activeName = items[this.#active]?.name ?? null;
    this.#parts.grid.setAttribute('aria-rowcount', items.length + 1);
    this.#draw();
    if (hadFocus && !this.#hasFocus()) {
      this.focus();
    }
  }

  /** Redraws once in the next frame, however often it is called. */
  draw() {
    if (!this.#due) {
      this.#due = true;
      requestAnimationFrame(() => this.#draw());
    }
  }

  /** Focuses the row with that name, or the active one. */
  focus(name = this.#activeName) {
    const at = this.#items.findIndex((item) => item.name === name);
    if (at >= 0) {
      this.#go(at);
    } else if (this.#items.length > 0) {
      this.#go(this.#active);
    }
  }

  #height() {
    return parseFloat(getComputedStyle(this.#parts.grid).getPropertyValue('--row')) || 36;
  }

  #hasFocus() {
    return this.#parts.scroller.contains(document.activeElement);
  }

  /** Returns the indexes of the rows to draw: the visible ones and the active one. */
  #indexesToDraw(height) {
    const { scrollTop, clientHeight } = this.#parts.scroller;
    const first = Math.max(0, Math.floor(scrollTop / height) - OVERSCAN);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / height) + OVERSCAN);
    const indexes = [];
    for (let at = first; at < last; at += 1) {
      indexes.push(at);
    }
    if (this.#items.length > 0 && this.#active < first) {
      indexes.unshift(this.#active);
    } else if (this.#items.length > 0 && this.#active >= last) {
      indexes.push(this.#active);
    }
    return indexes;
  }

  #draw() {
    this.#due = false;
    const height = this.#height();
    // Set by script, because the content security policy forbids styles in markup.
    this.#parts.spacer.style.height = `${this.#items.length * height}px`;
    const indexes = this.#indexesToDraw(height);
    const names = new Set(indexes.map((at) => this.#items[at].name));
    for (const [name, row] of this.#rows) {
      if (!names.has(name)) {
        this.#drop(name, row);
      }
    }
    const rows = indexes.map((at) => this.#drawRow(at, height));
    this.#inOrder(rows);
  }

  #drawRow(at, height) {
    const item = this.#items[at];
    let row = this.#rows.get(item.name);
    if (!row) {
      row = this.#spare.pop() ?? this.#on.make();
      this.#rows.set(item.name, row);
      row.dataset.name = item.name;
    }
    row.style.transform = `translateY(${at * height}px)`;
    row.setAttribute('aria-rowindex', at + FIRST_ROW);
    row.tabIndex = at === this.#active ? 0 : -1;
    this.#on.fill(row, item);
    return row;
  }

  #drop(name, row) {
    this.#rows.delete(name);
    row.remove();
    if (this.#spare.length < MAX_SPARE) {
      this.#spare.push(row);
    }
  }

  /** Keeps the rows of the document in the order of the list, for screen readers. Never moves the focused row. */
  #inOrder(rows) {
    const { spacer } = this.#parts;
    const inOrder = rows.length === spacer.children.length && rows.every((row, at) => spacer.children[at] === row);
    if (inOrder) {
      return;
    }
    const focused = rows.findIndex((row) => row.contains(document.activeElement));
    rows.forEach((row, at) => {
      if (focused >= 0 && at < focused) {
        spacer.insertBefore(row, rows[focused]);
      } else if (at !== focused) {
        spacer.append(row);
      }
    });
  }

  #go(at) {
    if (this.#items.length === 0) {
      return;
    }
    this.#active = Math.max(0, Math.min(at, this.#items.length - 1));
    this.#activeName = this.#items[this.#active].name;
    const { scroller } = this.#parts;
    const height = this.#height();
    const top = this.#active * height;
    if (top < scroller.scrollTop) {
      scroller.scrollTop = top;
    } else if (top + height > scroller.scrollTop + scroller.clientHeight) {
      scroller.scrollTop = top + height - scroller.clientHeight;
    }
    this.#draw();
    this.#rows.get(this.#activeName)?.focus({ preventScroll: true });
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const page = Math.max(1, Math.floor(this.#parts.scroller.clientHeight / this.#height()) - 1);
    const steps = {
      ArrowDown: () => this.#go(this.#active + 1),
      ArrowUp: () => this.#go(this.#active - 1),
      PageDown: () => this.#go(this.#active + page),
      PageUp: () => this.#go(this.#active - page),
      Home: () => this.#go(0),
      End: () => this.#go(this.#items.length - 1),
      ArrowRight: () => this.#sideways(event, 1),
      ArrowLeft: () => this.#sideways(event, -1),
      Enter: () => this.#enter(event),
    };
    const step = steps[event.key];
    if (step && step() !== false) {
      event.preventDefault();
    }
  }

  /** Moves the focus to the next button of the row, or back to the row. */
  #sideways(event, step) {
    const row = event.target.closest('[role="row"]');
    const stops = [row, ...row.querySelectorAll('button')];
    const at = stops.indexOf(document.activeElement) + step;
    stops[Math.max(0, Math.min(at, stops.length - 1))].focus();
    return true;
  }

  #enter(event) {
    // Enter on a button presses the button.
    if (event.target.closest('button')) {
      return false;
    }
    this.#on.open(this.#items[this.#active]);
    return true;
  }

  #click(event) {
    const name = event.target.closest('[role="row"]')?.dataset.name;
    const item = this.#items.find((one) => one.name === name);
    const button = event.target.closest('button');
    if (item && button) {
      this.#on.act(item, button.dataset.act);
    } else if (item) {
      this.#on.open(item);
    }
  }

  #focused(event) {
    const name = event.target.closest('[role="row"]')?.dataset.name;
    const at = this.#items.findIndex((item) => item.name === name);
    if (at >= 0 && name !== this.#activeName) {
      const before = this.#rows.get(this.#activeName);
      if (before) {
        before.tabIndex = -1;
      }
      this.#active = at;
      this.#activeName = name;
      this.#rows.get(name).tabIndex = 0;
    }
  }
}
