// Requests to the admin API with the token; failures become a `Problem`.

const KEY = 'matterhost.token';

// The time limit for a response. The API responds within milliseconds, even when the hosts are busy.
const TIMEOUT_MS = 10_000;

// The time limit for a response that takes as long as a handler needs for many events.
const SLOW_TIMEOUT_MS = 600_000;

// An error without problem details is cut to this length: it may be a whole page from a proxy.
const MAX_DETAIL = 300;

/** A failed request. `status` is 0 if there was no response. */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
  }
}

/** Returns the token of this tab, or null. */
export const token = () => sessionStorage.getItem(KEY);

/** Stores the token until the tab is closed; null removes it. */
export function keepToken(value) {
  if (value === null) {
    sessionStorage.removeItem(KEY);
  } else {
    sessionStorage.setItem(KEY, value);
  }
}

/** Requests JSON. Throws a `Problem` on failure. */
export async function ask(path, { method = 'GET', as = token(), body, slow = false } = {}) {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const signal = AbortSignal.timeout(slow ? SLOW_TIMEOUT_MS : TIMEOUT_MS);
  const response = await send(path, { method, as, signal, headers, body: body && JSON.stringify(body) });
  return read(response, () => response.json());
}

/** Opens a stream of events and returns its body, to be read by `sse.js`. */
export async function open(path, { signal, lastId }) {
  const headers = { Accept: 'text/event-stream' };
  if (lastId) {
    headers['Last-Event-ID'] = lastId;
  }
  const response = await send(path, { headers, signal, as: token() });
  return read(response, () => response.body);
}

/** Returns the path of an account, or of an action on it. */
export function accountPath(name, action) {
  const path = `v1/accounts/${encodeURIComponent(name)}`;
  return action ? `${path}/${action}` : path;
}

/** Returns the path of a sink, or of an action on it. */
export function sinkPath(name, action) {
  const path = `v1/sinks/${encodeURIComponent(name)}`;
  return action ? `${path}/${action}` : path;
}

async function send(path, { method = 'GET', headers = {}, signal, as, body }) {
  if (as) {
    headers.Authorization = `Bearer ${as}`;
  }
  const options = { method, headers, signal, body, credentials: 'omit', cache: 'no-store', redirect: 'error' };
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    const detail = error.name === 'TimeoutError' ? 'no response in time' : 'the request failed';
    throw new Problem(0, 'no response', detail);
  }
}

async function read(response, take) {
  if (!response.ok) {
    throw await problem(response);
  }
  try {
    return await take();
  } catch {
    throw new Problem(0, 'unreadable', 'the response cannot be parsed');
  }
}

async function problem(response) {
  const text = await response.text().catch(() => '');
  const fallback = `the response has status ${response.status}`;
  try {
    const { title, detail } = JSON.parse(text);
    return new Problem(response.status, String(title ?? fallback), String(detail ?? title ?? fallback));
  } catch {
    return new Problem(response.status, fallback, text.slice(0, MAX_DETAIL) || fallback);
  }
}
