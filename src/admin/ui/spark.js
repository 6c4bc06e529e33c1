// Events over the last minutes, an account a line, out of how its counter grew.

// Four minutes, in steps that a slow channel does not fall between and a burst still shows in.
const STEP_MS = 5_000;
const STEPS = 48;
const MINUTE = 60_000 / STEP_MS;

// The line's box, as the row's template has it.
const WIDTH = 96;
const HEIGHT = 20;

// A line is drawn as high as it goes only from so many events a step on: one event is no mountain.
const LEAST_TOP = 5;

/** What the page saw of one account's events. */
export class Spark {
  #steps = new Float32Array(STEPS);
  #step;
  #events;

  constructor(events, now) {
    this.#events = events;
    this.#step = Math.floor(now / STEP_MS);
  }

  /** Takes the counter as it is now. One that fell began anew, with the service. */
  record(events, now) {
    const grown = events >= this.#events ? events - this.#events : events;
    this.#events = events;
    this.#forward(now);
    this.#steps[this.#step % STEPS] += grown;
  }

  /** Events in the last minute. */
  aMinute(now) {
    this.#forward(now);
    let sum = 0;
    for (let back = 0; back < MINUTE; back += 1) {
      sum += this.#at(back);
    }
    return sum;
  }

  /** The line as a path, newest at the right; empty when nothing was heard. */
  path(now) {
    this.#forward(now);
    const top = Math.max(LEAST_TOP, ...this.#steps);
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
