// The body of a function that runs in the page; calls its argument with the failures.
const done = arguments[0];
const wrong = [];
let held = 0;

function is(what, found, expected) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a === b) {
    held += 1;
  } else {
    wrong.push(`${what}: got ${a}, expected ${b}`);
  }
}

const NOW = Date.parse('2026-03-04T05:06:07.000Z');
const AT = { now: NOW, down: new Set() };
const LAB_DOWN = { now: NOW, down: new Set(['lab']) };
const before = (ms) => new Date(NOW - ms).toISOString();

const account = (name, state, more = {}) => ({
  name,
  server: 'main',
  state,
  since: before(60_000),
  generation: 1,
  events: 0,
  restarts_in_window: 0,
  budget_left: 5,
  stalled_by: [],
  queued: 0,
  ...more,
});

const ending = (reason, cause, more = {}) => ({ at: before(1000), generation: 1, reason, cause, charged: false, ...more });

function streams({ Parser }) {
  const all = (text, size) => {
    const parser = new Parser();
    const events = [];
    for (let at = 0; at < text.length; at += size) {
      events.push(...parser.push(text.slice(at, at + size)));
    }
    return events;
  };
  const text = ': hello\nretry: 2000\n\nevent: rows\nid: a-1\ndata: {"x":\ndata: 1}\n\ndata:plain\r\n\r\nevent: none\n\ndata: cut';
  const expected = [
    { type: 'rows', id: 'a-1', data: '{"x":\n1}' },
    { type: 'message', id: null, data: 'plain' },
  ];
  for (const size of [1, 2, 3, 7, 1000]) {
    is(`a stream in pieces of ${size}`, all(text, size), expected);
  }
  const parser = new Parser();
  const piece = 'x'.repeat(1 << 20);
  let refused = null;
  for (let n = 0; n < 100 && refused === null; n += 1) {
    try {
      parser.push(piece);
    } catch (error) {
      refused = n;
    }
  }
  is('a line without an end is refused', refused, 64);
}

function waits({ waitMs }) {
  is('the first wait', waitMs(1, 0), 500);
  is('the next is twice as long', waitMs(2, 0), 1000);
  is('the longest', waitMs(50, 0), 10_000);
  is('spread', waitMs(50, 1), 7_000);
}

function words({ span, ago, cause, ending: ended, why, summary, standing, isUnhealthy, number }) {
  const spans = [[3, '3 ms'], [412, '0.4 s'], [1000, '1 s'], [59_999, '59 s'], [60_000, '1 min'], [7_200_000, '2 h'], [2e8, '2 d']];
  spans.forEach(([ms, expected]) => is(`${ms} ms`, span(ms), expected));
  is('just now', ago(before(300), NOW), 'now');
  is('a clock that is ahead', ago(before(-5000), NOW), 'now');
  is('a while ago', ago(before(125_000), NOW), '2 min');
  is('thousands', number(1234567), '1,234,567');
  is('another account saw it', ended(ending('deaf', 'deaf: the ping was answered with x', { seen_by_sibling: true, back_after_ms: 412 }), 'helpdesk'),
    'deaf: another account saw helpdesk change; back after 0.4 s');
  is('no sibling saw it', cause(ending('stale', 'stale: update_at moved from 1 to 2', { seen_by_sibling: false }), 'a'),
    'stale: the account was changed on the server');
  is('a cause that names its reason', cause(ending('dropped', 'dropped: reset by peer'), 'a'), 'dropped: reset by peer');
  is('a cause that does not', cause(ending('server_error', 'status 502'), 'a'), 'server error: status 502');
  is('a cause that is a sentence', cause(ending('server_error', 'the server answered 502'), 'a'), 'the server answered 502');
  is('no cause', cause(ending('hello_overdue', 'hello overdue'), 'a'), 'the server did not say hello in time');
  is('a reason from a later version', cause(ending('new_thing', ''), 'a'), 'new thing');
  const blocked = account('a', 'blocked', { last_ending: ending('unauthorized', 'unauthorized'), next_attempt: before(-9000) });
  is('why it is blocked', why(blocked, AT), 'the token is refused (401): disabled or revoked; retrying in 9 s');
  is('the same in short', summary(blocked, AT), 'the token is refused (401): disabled or revoked');
  is('why it is stalled', why(account('a', 'stalled', { stalled_by: ['sink'], queued: 1 }), AT), 'its sink is not accepting events; 1 event waiting');
  is('both stall', summary(account('a', 'stalled', { stalled_by: ['sink', 'store'] }), AT), 'the store cannot be used, and its sink is not accepting events');
  const waiting = { waiting_channels: 1, waiting_event: { since: before(5000), cause: 'sink hook: 500', next_attempt: before(-9000) } };
  is('a channel that waits', why(account('a', 'ready', waiting), AT), '1 channel waits for 5 s: sink hook: 500; retrying in 9 s');
  is('a channel that waits is no problem of the account', isUnhealthy(account('a', 'ready', waiting), AT), false);
  const stalled = account('a', 'stalled', { ...waiting, stalled_by: ['sink'], queued: 2 });
  is('the cause of a stall', why(stalled, AT), 'sink hook: 500; 2 events waiting; retrying in 9 s');
  const long_ago = { ...ending('silent', ''), at: before(3_700_000) };
  is('an old ending of a healthy account', why(account('a', 'ready', { last_ending: long_ago }), AT), '');
  is('the first connection', why(account('a', 'connecting'), AT), 'first connection');
  is('a stop', isUnhealthy(account('a', 'stopped', { last_ending: ending('operator_stop', '') }), AT), false);
  is('a stop without a request', isUnhealthy(account('a', 'stopped', { last_ending: ending('identity_changed', '') }), AT), true);
  const silent = account('a', 'unknown', { member: 'b' });
  is('a member that is silent', [isUnhealthy(silent, AT), why(silent, AT)], [true, 'member b does not answer']);
  is('an account without a member', why(account('a', 'unknown'), AT), 'no member hosts it');
  is('a state from a later version', standing(account('a', 'odd_one'), AT).word, 'odd one');
  const young = account('a', 'connecting', { server: 'lab', since: before(1000) });
  is('on its way', isUnhealthy(young, AT), false);
  is('its server is away', [isUnhealthy(young, LAB_DOWN), why(young, LAB_DOWN)], [true, 'its server does not answer']);
  is('kept from it', isUnhealthy(account('a', 'connecting', { since: before(31_000) }), AT), true);
}

const kindsOf = (problems) => (all, at) => problems(all, at).map(({ word, of, count, first }) => `${count} ${first.name} ${word}: ${of}`);

function choices({ choose, count, matches, problems }) {
  const kinds = kindsOf(problems);
  const accounts = [
    account('bot-10', 'ready'),
    account('bot-9', 'ready', { since: before(10) }),
    account('c', 'blocked', { since: before(9000), last_ending: ending('unauthorized', 'unauthorized') }),
    account('d', 'blocked', { since: before(10), last_ending: ending('unauthorized', 'unauthorized') }),
    account('e', 'tripped', { server: 'lab', last_ending: ending('protocol', 'protocol error: x') }),
    account('f', 'connecting', { since: before(1000) }),
    account('b', 'backoff', { last_ending: ending('timeout', 'timeout') }),
  ];
  const names = (wish) => {
    const all = { query: '', states: new Set(), sort: 'state', reverse: false, ...wish };
    return choose(accounts, all, AT, ({ name }) => name.length).map(({ name }) => name).join(' ');
  };
  is('unhealthy ones first', names({}), 'e d c b f bot-9 bot-10');
  is('the other way round', names({ reverse: true }), 'bot-10 bot-9 f b c d e');
  is('by name, numbers as numbers', names({ sort: 'name' }), 'b bot-9 bot-10 c d e f');
  is('by server', names({ sort: 'server' }), 'e b bot-9 bot-10 c d f');
  is('by events', names({ sort: 'events' }), 'bot-10 bot-9 b c d e f');
  is('an unknown order', names({ sort: 'odd' }), 'e d c b f bot-9 bot-10');
  is('one state', names({ states: new Set(['blocked']) }), 'd c');
  is('the unhealthy', names({ states: new Set(['unhealthy']) }), 'e d c b');
  is('every word counts', names({ query: ' REFUSED d ' }), 'd c');
  is('by reason', names({ query: 'unauthorized' }), 'd c');
  is('nothing is like that', names({ query: 'zzz' }), '');
  is('the words of a state', matches(account('a', 'catching_up'), 'catching up', AT), true);
  const { all, unhealthy, blocked } = count(accounts, AT);
  is('counts', [all, unhealthy, blocked], [7, 4, 2]);
  is('kinds of trouble', kinds(accounts, AT), ['1 e tripped: protocol error: x', '2 c blocked: the token is refused (401): disabled or revoked',
    '1 b backoff: the server did not answer in time']);
  const waiting = ['backoff', 'connecting', 'ready'].map((state, n) => account(`l${n}`, state, { server: 'lab', since: before(10) }));
  const members = [account('x', 'unknown', { member: 'm2' }), account('y', 'unknown', { member: 'm1' }), account('z', 'unknown', { member: 'm2' })];
  is('a silent member is one trouble', kinds(members, AT), ['2 x unknown: member m2 does not answer', '1 y unknown: member m1 does not answer']);
  const byMember = choose(members, { query: 'm2', states: new Set(), sort: 'member', reverse: false }, AT, () => 0);
  is('by member', byMember.map(({ name }) => name).join(' '), 'x z');
  is('a server is one trouble', kinds([...accounts, ...waiting], LAB_DOWN)[0], '2 l0 waiting: server lab does not answer');
}

function stores({ Store }) {
  const store = new Store();
  const names = () => [...store.all()].map(({ name }) => name).join(' ');
  is('first rows are no change', store.apply({ snapshot: true, accounts: [account('a', 'ready'), account('b', 'ready')] }), []);
  is('more of them neither', store.apply({ accounts: [account('c', 'ready')] }), []);
  const changes = store.apply({ accounts: [account('a', 'blocked')], removed: ['b'] });
  is('a change', changes.map(({ was, is: now }) => `${was.state} ${now.state}`), ['ready blocked']);
  is('what is left', names(), 'a c');
  store.apply({ snapshot: true, accounts: [account('c', 'ready')] });
  is('a new list removes nothing at once', names(), 'a c');
  is('but then', [store.sweep(), names(), store.sweep()], [true, 'c', false]);
  store.apply({ accounts: [account('c', 'ready', { generation: 2, events: 5 })] });
  const asked = (name, state, more) => [store.refresh(account(name, state, more)).length, store.get(name)?.state];
  is('details of the connection before', asked('c', 'blocked', { generation: 1, events: 9, since: before(0) }), [0, 'ready']);
  is('of the state before', asked('c', 'connecting', { generation: 2, events: 9, since: before(61_000) }), [0, 'ready']);
  is('with fewer events', asked('c', 'stalled', { generation: 2, events: 4 }), [0, 'ready']);
  is('that are newer', asked('c', 'blocked', { generation: 2, events: 5, since: before(1_000) }), [1, 'blocked']);
  is('of one that is gone', asked('a', 'ready'), [0, undefined]);
  store.setNow(new Date(Date.now() + 60_000).toISOString());
  is('the time is the service\'s', Math.round((store.now() - Date.now()) / 1000), 60);
  store.clear();
  is('nothing is left', [store.size, store.spark('c')], [0, undefined]);
}

function sparks({ Spark }) {
  const spark = new Spark(100, NOW);
  is('nothing received', [spark.perMinute(NOW), spark.path(NOW)], [0, '']);
  spark.record(107, NOW + 1000);
  spark.record(110, NOW + 6000);
  is('in a minute', spark.perMinute(NOW + 7000), 10);
  is('a line of 48 points', spark.path(NOW + 7000).split('L').length, 48);
  is('after a minute', spark.perMinute(NOW + 68_000), 0);
  spark.record(4, NOW + 69_000);
  is('a counter that started again', spark.perMinute(NOW + 69_000), 4);
  is('after all the line shows', spark.path(NOW + 600_000), '');
}

function links({ words: banner }) {
  const state = { heardAt: NOW - 12_000, retryAt: NOW + 3_000, problem: null };
  is('the banner', banner(state, NOW), 'Not connected: last update 12 s ago, trying again in 3 s.');
  is('before the first update', banner({ ...state, heardAt: null, retryAt: NOW }, NOW), 'Not connected: never connected, trying again.');
  const problem = { status: 429, message: 'too many streams are open' };
  is('with what it said', banner({ ...state, problem }, NOW), 'Not connected (too many streams are open): last update 12 s ago, trying again in 3 s.');
}

function notices({ sentence, gather }) {
  const states = (...changes) => {
    const gathered = new Map();
    for (const [was, is] of changes) {
      gather(gathered, [{ was: account('a', was), is: account('a', is) }], AT);
    }
    return [...gathered.values()].map(({ state }) => state).join();
  };
  is('healthy to unhealthy and back', [states(['ready', 'stalled']), states(['stalled', 'ready'])].join(), 'stalled,ready');
  is('no news', states(['ready', 'stopped'], ['backoff', 'stalled'], ['blocked', 'misconfigured']), '');
  is('an unhealthy account needs an operator', states(['backoff', 'blocked']), 'blocked');
  is('the newest state', states(['ready', 'backoff'], ['backoff', 'connecting'], ['connecting', 'stalled']), 'stalled');
  is('one', sentence([account('a', 'ready')], AT), 'a is ready');
  const many = Array.from({ length: 5 }, (_, n) => account(`a${n}`, n < 4 ? 'tripped' : 'ready'));
  is('many', sentence(many, AT), '4 accounts are now unhealthy, 1 healthy again');
}

/** Text from a server or its users is shown as text, never as markup. */
function untrustedText({ make }, { makeRow, fillRow }, { fillEndings }, { Spark }) {
  const markup = '<img src=x onerror="document.title=1"><b>bold</b>';
  const last = ending('dropped', `dropped: ${markup}`);
  const row = makeRow();
  const odd = account(markup, 'backoff', { server: markup, last_ending: last });
  fillRow(row, odd, { at: AT, spark: new Spark(0, NOW), open: false, readOnly: false });
  const element = make('div');
  fillEndings(element, [last], markup, NOW);
  is('no markup in a row', row.querySelectorAll('img, b').length, 0);
  is('but its text', [row.querySelector('.name').textContent, row.querySelector('.why').textContent], [markup, `dropped: ${markup}`]);
  is('no markup in endings', element.querySelectorAll('img, b').length, 0);
  is('but its text, too', element.querySelector('.cause').textContent, `dropped: ${markup}`);
}

const parts = { sse: streams, feed: waits, words, choose: choices, store: stores, spark: sparks, link: links, notice: notices };

(async () => {
  for (const [name, check] of Object.entries(parts)) {
    check(await import(`/${name}.js`));
  }
  untrustedText(...(await Promise.all(['dom', 'row', 'endings', 'spark'].map((name) => import(`/${name}.js`)))));
})().then(() => done({ wrong, held }), (error) => done({ wrong: [...wrong, String(error)], held }));
