// The admin API: requests with the token, and what it refuses as a `Problem`.

const KEY = 'matterhost.token';

// An answer that takes longer is none: the service answers in milliseconds, also when its hosts are busy.
const ANSWER_WITHIN_MS = 10_000;

// An error that is no problem document is shown in part: it may be a whole page of a proxy.
const LONGEST_DETAIL = 300;

/** What the API, or the way to it, refused. `status` is 0 when there was no answer. */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
  }
}

/** The token of this tab, or null. */
export const token = () => sessionStorage.getItem(KEY);

/** Keeps the token until the tab is closed; null forgets it. */
export function keepToken(value) {
  if (value === null) {
    sessionStorage.removeItem(KEY);
  } else {
    sessionStorage.setItem(KEY, value);
  }
}

/** Asks for JSON. A `Problem` is thrown when there is none. */
export async function ask(path, { method = 'GET', as = token() } = {}) {
  const response = await send(path, { method, as, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  return read(response, () => response.json());
}

/** Opens a stream of events; its body is read by `sse.js`. */
export async function open(path, { signal, lastId }) {
  const headers = { Accept: 'text/event-stream' };
  if (lastId) {
    headers['Last-Event-ID'] = lastId;
  }
  const response = await send(path, { headers, signal, as: token() });
  return read(response, () => response.body);
}

/** The path of an account, and of what is done with it. */
export function accountPath(name, action) {
  const path = `v1/accounts/${encodeURIComponent(name)}`;
  return action ? `${path}/${action}` : path;
}

async function send(path, { method = 'GET', headers = {}, signal, as }) {
  if (as) {
    headers.Authorization = `Bearer ${as}`;
  }
  const options = { method, headers, signal, credentials: 'omit', cache: 'no-store', redirect: 'error' };
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    const detail = error.name === 'TimeoutError' ? 'it did not answer in time' : 'it cannot be reached';
    throw new Problem(0, 'no answer', detail);
  }
}

async function read(response, take) {
  if (!response.ok) {
    throw await problem(response);
  }
  try {
    return await take();
  } catch {
    throw new Problem(0, 'unreadable', 'its answer cannot be read');
  }
}

async function problem(response) {
  const text = await response.text().catch(() => '');
  const fallback = `it answered ${response.status}`;
  try {
    const { title, detail } = JSON.parse(text);
    return new Problem(response.status, String(title ?? fallback), String(detail ?? title ?? fallback));
  } catch {
    return new Problem(response.status, fallback, text.slice(0, LONGEST_DETAIL) || fallback);
  }
}
