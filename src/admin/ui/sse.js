// Server-sent events from a fetched body, because EventSource cannot send the Authorization header.

// The longest line; a line beyond this is not from matterhost.
const MAX_LINE = 64 * 1024 * 1024;

/** An incremental parser: `push` takes a piece of text and returns the events that it completes. */
export class Parser {
  #parts = [];
  #length = 0;
  #event = { type: 'message', data: [], id: null };

  push(text) {
    const events = [];
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#keep(text.slice(from, end));
      this.#line(this.#take(), events);
      from = end + 1;
    }
    this.#keep(text.slice(from));
    return events;
  }

  // Pieces of a line are joined once, because appending each would copy a long line repeatedly.
  #keep(part) {
    this.#length += part.length;
    if (this.#length > MAX_LINE) {
      throw new Error('a line of the stream is too long');
    }
    this.#parts.push(part);
  }

  #take() {
    const line = this.#parts.join('');
    this.#parts = [];
    this.#length = 0;
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }

  #line(line, events) {
    if (line === '') {
      this.#finish(events);
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      this.#event.data.push(value);
    } else if (field === 'event') {
      this.#event.type = value;
    } else if (field === 'id') {
      this.#event.id = value;
    }
  }

  #finish(events) {
    const { type, data, id } = this.#event;
    this.#event = { type: 'message', data: [], id: null };
    if (data.length > 0) {
      events.push({ type, id, data: data.join('\n') });
    }
  }
}

/** Reads a body to its end; calls `heard` for each chunk and `event` for each event. */
export async function readEvents(body, { heard, event }) {
  const parser = new Parser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    heard();
    parser.push(value).forEach(event);
  }
}
