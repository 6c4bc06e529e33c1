// Describes the data of the API in plain words.

/**
 * The states, worst first. `rank` sorts the list: problems that need an operator, then those that pass by themselves.
 * `backoff` and `connecting` alternate while a server is down, so they share a rank and rows stay where they are.
 */
export const STATES = {
  tripped: {
    tone: 'bad',
    rank: 0,
    word: 'tripped',
    meaning: 'Its restart budget is used up. It is retried after a cooldown, or when you reset the budget.',
  },
  misconfigured: {
    tone: 'bad',
    rank: 1,
    word: 'misconfigured',
    meaning: 'Retries cannot succeed until the configuration or the server is changed. It is checked now and then.',
  },
  blocked: {
    tone: 'bad',
    rank: 2,
    word: 'blocked',
    meaning: 'The account is disabled on the server, or its token is revoked. It recovers by itself once it is enabled again.',
  },
  unknown: { tone: 'warn', rank: 3, word: 'unknown', meaning: 'Its member of the cluster does not answer, or no member hosts it at the moment.' },
  stalled: {
    tone: 'warn',
    rank: 3,
    word: 'stalled',
    meaning: 'It is connected, but no event can be handed over to its sink, or the state cannot be saved. Nothing is lost.',
  },
  backoff: { tone: 'warn', rank: 4, word: 'backoff', meaning: 'It is waiting before its next connection.' },
  connecting: { tone: 'busy', rank: 4, word: 'connecting', meaning: 'A connection is being opened.' },
  catching_up: { tone: 'busy', rank: 5, word: 'catching up', meaning: 'Missed posts are being fetched.' },
  stopping: { tone: 'off', rank: 6, word: 'stopping', meaning: 'It is stopping and has not ended yet.' },
  stopped: { tone: 'off', rank: 7, word: 'stopped', meaning: 'It does not run until someone starts it.' },
  ready: { tone: 'good', rank: 8, word: 'ready', meaning: 'It is connected and receives events.' },
};

/** The endings that stop an account until an operator fixes it. */
const STOPPED_BY_ERROR = new Set(['identity_changed']);

// An account that is still connecting after this time counts as unhealthy.
const SLOW_MS = 30_000;

// The last ending of a healthy account is of no interest after this time; the details keep it.
const FORGET_MS = 3_600_000;

const UNKNOWN = { tone: 'warn', rank: 3, meaning: 'This page does not know this state.' };

/**
 * Returns the tone, rank, word and meaning of an account's state. `at` has the time as `now` and the servers that are
 * `down`: an account that waits for one of them is unhealthy.
 */
export function standing(account, at) {
  const known = STATES[account.state] ?? { ...UNKNOWN, word: spaced(account.state) };
  if (account.state === 'stopped' && STOPPED_BY_ERROR.has(account.last_ending?.reason)) {
    return { ...known, tone: 'bad', rank: 1 };
  }
  return waitsForServer(account, at) || isSlow(account, at) ? { ...known, tone: 'warn' } : known;
}

const isSlow = ({ state, since }, at) => state === 'connecting' && at.now - Date.parse(since) > SLOW_MS;

/** Returns true if the account only waits for its server. */
export const waitsForServer = ({ state, server }, at) =>
  (state === 'connecting' || state === 'backoff') && at.down.has(server);

/** Returns true if the account has a problem that does not pass in a moment. */
export function isUnhealthy(account, at) {
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

/** Formats a duration as one number and a unit: `3 ms`, `0.4 s`, `12 s`, `3 min`, `2 h`, `5 d`. */
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

/** Formats the time since then in whole seconds, because it counts up on the page. */
export function ago(time, now) {
  const ms = now - Date.parse(time);
  return ms < 1000 ? 'now' : span(ms);
}

/** Formats for how long something has lasted. */
export function lasting(since, now) {
  const words = ago(since, now);
  return words === 'now' ? 'a moment' : words;
}

/** Formats a number of things, of which one is named without the last letter. */
export const count = (amount, things) => `${number(amount)} ${amount === 1 ? things.slice(0, -1) : things}`;

/** Formats the time of day, with the date if it is not today. */
export function exact(time, now) {
  const date = new Date(time);
  const day = date.toDateString() === new Date(now).toDateString()
    ? ''
    : `${date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })} `;
  return day + date.toLocaleTimeString(undefined, { hour12: false });
}

/** Describes the cause of an ending of that account's connection. */
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

/** The endings caused by a change of the account on the server; the details show the full cause. */
export const TOUCHED = {
  stale: 'the account was changed on the server',
  deaf: 'its socket stopped receiving events',
};

/** The meanings of reasons that come without a cause. */
const REASONS = {
  operator_stop: 'stopped by an operator',
  operator_restart: 'restarted by an operator',
  config_changed: 'its configuration changed',
  unauthorized: 'the token is refused (401): disabled or revoked',
  timeout: 'the server did not answer in time',
  hello_overdue: 'the server did not say hello in time',
  dropped_before_ready: 'the connection was dropped before it was ready',
  silent: 'the socket went silent',
  panicked: 'a bug in matterhost: the connection panicked',
  health_check_died: 'a bug in matterhost: the health check died',
  delivery_died: 'a bug in matterhost: the delivery died',
  arbiter_died: 'a bug in matterhost: a thread died',
};

/** Describes an ending, and the time until the account was ready again. */
export function ending(it, name) {
  const back = it.back_after_ms === undefined || it.back_after_ms === null ? '' : `; back after ${span(it.back_after_ms)}`;
  return cause(it, name) + back;
}

const retry = (account, now) => {
  const wait = Date.parse(account.next_attempt ?? '') - now;
  if (Number.isNaN(wait)) {
    return '';
  }
  return wait < 1000 ? '; retrying now' : `; retrying in ${span(wait)}`;
};

const events = (count) => (count === 1 ? '1 event waiting' : `${count} events waiting`);

/** Explains the state of an account; for a healthy one, describes its last ending. */
export function why(account, at) {
  const { now } = at;
  switch (account.state) {
    case 'tripped':
    case 'blocked':
    case 'misconfigured':
    case 'backoff':
      return summary(account, at) + retry(account, now);
    case 'stalled':
      return `${summary(account, at)}; ${events(account.queued ?? 0)}${retry(waitingEvent(account), now)}`;
    case 'connecting':
      return connecting(account, at);
    case 'unknown':
      return summary(account, at);
    case 'catching_up':
      return catchingUp(account.catching_up);
    case 'stopped':
      return summary(account, at);
    default:
      return account.waiting_event ? waiting(account, now) : lastEnding(account, now);
  }
}

/** Describes how a healthy account last ended, unless that is long ago. */
function lastEnding({ last_ending: last, name }, now) {
  return last && now - Date.parse(last.at) < FORGET_MS ? ending(last, name) : '';
}

const waitingEvent = (account) => account.waiting_event ?? {};

/** Describes the channels of a healthy account that wait for a sink. */
function waiting({ waiting_channels: channelCount, waiting_event: event }, now) {
  const channels = channelCount === 1 ? '1 channel waits' : `${number(channelCount)} channels wait`;
  return `${channels} for ${lasting(event.since, now)}: ${event.cause}${retry(event, now)}`;
}

/** Explains the state without numbers and times, so that accounts with the same problem have the same text. */
export function summary(account, at) {
  if (waitsForServer(account, at)) {
    return 'its server does not answer';
  }
  if (account.state === 'unknown') {
    return account.member ? `member ${account.member} does not answer` : 'no member hosts it';
  }
  if (account.state === 'stalled') {
    return stalled(account.stalled_by ?? [], account.waiting_event?.cause);
  }
  const said = account.last_ending ? cause(account.last_ending, account.name) : '';
  // The state is already shown.
  return said.startsWith(`${account.state}: `) ? said.slice(account.state.length + 2) : said;
}

function connecting(account, at) {
  if (waitsForServer(account, at)) {
    return summary(account, at);
  }
  return account.last_ending ? `after ${summary(account, at)}` : 'first connection';
}

function stalled(by, said) {
  const parts = [by.includes('store') && 'the store cannot be used', by.includes('sink') && (said ?? 'its sink is not accepting events')];
  return parts.filter(Boolean).join(', and ') || 'its events are not accepted';
}

function catchingUp(progress) {
  if (!progress) {
    return 'listing its channels';
  }
  const { done, channels, recovered } = progress;
  return `${done} of ${channels} channels read, ${recovered} recovered`;
}

const COUNT = new Intl.NumberFormat('en');

/** Formats a number with thousands separators. */
export const number = (value) => COUNT.format(value);
