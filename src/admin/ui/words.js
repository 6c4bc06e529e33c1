// What the API says, in the words of a person.

/**
 * The states, worst first. `rank` orders the list: what only an operator can mend, then what mends itself.
 * `backoff` and `connecting` take turns while a server is away, so they share a rank: rows stay in place.
 */
export const STATES = {
  tripped: {
    tone: 'bad',
    rank: 0,
    word: 'tripped',
    means: 'Its restart budget is spent. It is tried again after a cooldown, or when you reset it.',
  },
  misconfigured: {
    tone: 'bad',
    rank: 1,
    word: 'misconfigured',
    means: 'No retry can help until somebody changes the configuration or the server. It is asked now and then.',
  },
  blocked: {
    tone: 'bad',
    rank: 2,
    word: 'blocked',
    means: 'The account is disabled on the server, or its token is revoked. It goes on by itself when that is undone.',
  },
  stalled: {
    tone: 'warn',
    rank: 3,
    word: 'stalled',
    means: 'It is connected, but what it hears cannot be handed over: reading is paused. Nothing is lost.',
  },
  backoff: { tone: 'warn', rank: 4, word: 'backoff', means: 'It waits before its next connection.' },
  connecting: { tone: 'busy', rank: 4, word: 'connecting', means: 'A connection is on its way.' },
  catching_up: { tone: 'busy', rank: 5, word: 'catching up', means: 'What was missed is being fetched.' },
  stopping: { tone: 'off', rank: 6, word: 'stopping', means: 'It was told to stop, and has not ended yet.' },
  stopped: { tone: 'off', rank: 7, word: 'stopped', means: 'Nothing runs until somebody starts it.' },
  ready: { tone: 'good', rank: 8, word: 'ready', means: 'Events flow.' },
};

/** Endings that stop an account until somebody looks at it. */
const STOPPED_ILL = new Set(['identity_changed']);

// Who is still connecting after that time is kept from it.
const SLOW_MS = 30_000;

const UNKNOWN = { tone: 'warn', rank: 3, means: 'This page does not know that state.' };

/**
 * Tone, rank, word and meaning of an account's state. `at` holds the time, `now`, and the names of the servers that are
 * `down`: an account waits for its server as `connecting`, and is not well.
 */
export function standing(account, at) {
  const known = STATES[account.state] ?? { ...UNKNOWN, word: spaced(account.state) };
  if (account.state === 'stopped' && STOPPED_ILL.has(account.last_ending?.reason)) {
    return { ...known, tone: 'bad', rank: 1 };
  }
  return waitsForServer(account, at) || isSlow(account, at) ? { ...known, tone: 'warn' } : known;
}

const isSlow = ({ state, since }, at) => state === 'connecting' && at.now - Date.parse(since) > SLOW_MS;

/** Whether it is only its server that keeps the account from being ready. */
export const waitsForServer = ({ state, server }, at) =>
  (state === 'connecting' || state === 'backoff') && at.down.has(server);

/** Whether something is wrong with the account that it does not get over in a moment. */
export function isIll(account, at) {
  const { tone } = standing(account, at);
  return tone === 'bad' || tone === 'warn';
}

const spaced = (label) => String(label ?? '').replaceAll('_', ' ');

const STEPS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** A time span in one number and its unit: `3 ms`, `0.4 s`, `12 s`, `3 min`, `2 h`, `5 d`. */
export function span(ms) {
  if (ms < 95) {
    return `${Math.max(0, Math.round(ms))} ms`;
  }
  if (ms < 950) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  const [size, unit] = STEPS.find(([step]) => ms >= step) ?? STEPS.at(-1);
  return `${Math.floor(ms / size)} ${unit}`;
}

/** How long ago that was: in whole seconds, for it is counted on. */
export function ago(time, now) {
  const ms = now - Date.parse(time);
  return ms < 1000 ? 'now' : span(ms);
}

/** The time of day, with the day when it is not today's. */
export function exact(time, now) {
  const date = new Date(time);
  const day = date.toDateString() === new Date(now).toDateString()
    ? ''
    : `${date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })} `;
  return day + date.toLocaleTimeString(undefined, { hour12: false });
}

/** The cause of an ending of that account's connection: its reason, and what the service says of it. */
export function cause(ending, name) {
  const reason = spaced(ending.reason);
  if (TOUCHED[ending.reason]) {
    return `${reason}: ${ending.seen_by_sibling ? `another account saw ${name} change` : TOUCHED[ending.reason]}`;
  }
  const said = (ending.cause ?? '').trim();
  if (said === '' || said.toLowerCase() === reason) {
    return REASONS[ending.reason] ?? reason;
  }
  const whole = said.toLowerCase().startsWith(reason) || said.startsWith('the ');
  return whole ? said : `${reason}: ${said}`;
}

/** Endings that a change of the account on the server brings about. What the service says of them the details show. */
export const TOUCHED = {
  stale: 'the account was changed on the server',
  deaf: 'its socket heard nothing any more',
};

/** What a reason means that comes without a cause. */
const REASONS = {
  operator_stop: 'stopped by an operator',
  operator_restart: 'restarted by an operator',
  config_changed: 'its configuration changed',
  unauthorized: 'the token is refused (401): disabled, or revoked',
  timeout: 'the server did not answer in time',
  hello_overdue: 'the server did not say hello in time',
  dropped_before_ready: 'the connection was dropped before it was ready',
  silent: 'the socket went silent',
  panicked: 'a fault in matterhost: the handler of the connection panicked',
  health_check_died: 'a fault in matterhost: the health check died',
  delivery_died: 'a fault in matterhost: the delivery died',
  arbiter_died: 'a fault in matterhost: a thread died',
};

/** An ending in words, and how long it took to be ready again. */
export function ending(it, name) {
  const back = it.back_after_ms === undefined || it.back_after_ms === null ? '' : `; back after ${span(it.back_after_ms)}`;
  return cause(it, name) + back;
}

const again = (account, now) => {
  const wait = Date.parse(account.next_attempt ?? '') - now;
  if (Number.isNaN(wait)) {
    return '';
  }
  return wait < 1000 ? '; again now' : `; again in ${span(wait)}`;
};

const events = (count) => (count === 1 ? '1 event waits' : `${count} events wait`);

/** Why the account is in its state; for one that is well, how its last connection ended. */
export function why(account, at) {
  const { now } = at;
  switch (account.state) {
    case 'tripped':
    case 'blocked':
    case 'misconfigured':
    case 'backoff':
      return gist(account, at) + again(account, now);
    case 'stalled':
      return `${gist(account, at)}; ${events(account.queued ?? 0)}`;
    case 'connecting':
      return connecting(account, at);
    case 'catching_up':
      return catchingUp(account.catching_up);
    case 'stopped':
      return gist(account, at);
    default:
      return account.last_ending ? ending(account.last_ending, account.name) : '';
  }
}

/** The same without what changes all the time: what accounts with the same trouble have in common. */
export function gist(account, at) {
  if (waitsForServer(account, at)) {
    return 'its server does not answer';
  }
  if (account.state === 'stalled') {
    return stalled(account.stalled_by ?? []);
  }
  const said = account.last_ending ? cause(account.last_ending, account.name) : '';
  // The state has been said already.
  return said.startsWith(`${account.state}: `) ? said.slice(account.state.length + 2) : said;
}

function connecting(account, at) {
  if (waitsForServer(account, at)) {
    return gist(account, at);
  }
  return account.last_ending ? `after ${gist(account, at)}` : 'for the first time';
}

function stalled(by) {
  const parts = [by.includes('store') && 'the store cannot be used', by.includes('sink') && 'its sink takes nothing'];
  return parts.filter(Boolean).join(', and ') || 'nothing is taken from it';
}

function catchingUp(progress) {
  if (!progress) {
    return 'listing its channels';
  }
  const { done, channels, recovered } = progress;
  return `${done} of ${channels} channels read, ${recovered} recovered`;
}

const COUNT = new Intl.NumberFormat('en');

/** A number with its thousands apart. */
export const number = (value) => COUNT.format(value);
