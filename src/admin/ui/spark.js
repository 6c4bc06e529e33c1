// A sparkline of an account's events in the last four minutes, from the growth of its counter.

// Four minutes in steps of five seconds.
const STEP_MS = 5_000;
const STEPS = 48;
const MINUTE = 60_000 / STEP_MS;

// The viewBox of the row's template.
const WIDTH = 96;
const HEIGHT = 20;

// The least number of events per step that fills the height, so that a single event stays small.
const MIN_TOP = 5;

/** The recent events of one account, as this page saw them. */
export class Spark {
  #steps = new Float32Array(STEPS);
  #step;
  #events;

  constructor(events, now) {
    this.#events = events;
    this.#step = Math.floor(now / STEP_MS);
  }

  /** Records the counter. A lower value means that the service restarted. */
  record(events, now) {
    const grown = events >= this.#events ? events - this.#events : events;
    this.#events = events;
    this.#forward(now);
    this.#steps[this.#step % STEPS] += grown;
  }

  /** Returns the number of events in the last minute. */
  perMinute(now) {
    this.#forward(now);
    let sum = 0;
    for (let back = 0; back < MINUTE; back += 1) {
      sum += this.#at(back);
    }
    return sum;
  }

  /** Returns the line as an SVG path, newest at the right; empty if there were no events. */
  path(now) {
    this.#forward(now);
    const top = Math.max(MIN_TOP, ...this.#steps);
    if (this.#steps.every((step) => step === 0)) {
      return '';
    }
    const point = (_, index) => {
      const x = (index * WIDTH) / (STEPS - 1);
      const y = HEIGHT - 1 - (this.#at(STEPS - 1 - index) / top) * (HEIGHT - 2);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    };
    return `M${Array.from({ length: STEPS }, point).join('L')}`;
  }

  #at(back) {
    return this.#steps[(this.#step - back + STEPS) % STEPS];
  }

  #forward(now) {
    const step = Math.floor(now / STEP_MS);
    for (let next = Math.max(this.#step + 1, step - STEPS + 1); next <= step; next += 1) {
      this.#steps[next % STEPS] = 0;
    }
    this.#step = Math.max(this.#step, step);
  }
}
