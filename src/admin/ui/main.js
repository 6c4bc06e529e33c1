// Connects the parts of the page.

import { act } from './actions.js';
import { Problem, ask, keepToken, token } from './api.js';
import { choose, count, problems } from './choose.js';
import { closeDialog, startDialog } from './dialog.js';
import { byId, setText } from './dom.js';
import { Feed } from './feed.js';
import { Grid } from './grid.js';
import { Link } from './link.js';
import { loginReason, showLogin, showLoginProblem, startLogin } from './login.js';
import { announceChanges, showNotice } from './notice.js';
import { Panel } from './panel.js';
import { fillRow, makeRow } from './row.js';
import { followLinks, signIn } from './signin.js';
import { Sinks } from './sinks.js';
import { Store } from './store.js';
import { Tail } from './tail.js';
import { startTheme } from './theme.js';
import { Counts, showServers, showVerdict, startServers } from './top.js';
import { View } from './view.js';
import { number } from './words.js';

// Relative times are updated every second.
const TICK_MS = 1_000;

// Rows arrive in several events; the list is sorted once for those that arrive together.
const SHOW_MS = 80;

// All events of a new list have arrived by then, even for ten thousand accounts.
const SWEEP_MS = 5_000;

const store = new Store();
const view = new View(() => show());
let instance = null;
let showing = null;
let sweeping = null;

const grid = new Grid(
  { grid: byId('grid'), scroller: byId('scroller'), spacer: byId('spacer') },
  {
    make: makeRow,
    fill: (row, { name }) => {
      const account = store.get(name);
      if (account) {
        const open = panel.name === name;
        fillRow(row, account, { at: store.at, spark: store.spark(name), open, readOnly: instance?.read_only });
      }
    },
    open: ({ name }) => openPanel(name),
    act: ({ name }, action) => act(store.get(name), action, { readOnly: instance?.read_only }),
  },
);

const panel = new Panel(store, {
  closed: (name) => {
    view.account = null;
    grid.draw();
    grid.focus(name);
  },
  tail: (name) => tail.open(name),
  sink: (name) => sinks.open(name),
  fresh: (account) => {
    announceChanges(store.refresh(account), store.at);
    showSoon();
  },
});

const tail = new Tail({ refused: () => askForToken(), names: () => store.all() });
const sinks = new Sinks({ isUp: () => link.isUp && instance !== null, now: () => store.now() });
const link = new Link(() => feed.retryNow());
const counts = new Counts((kind) => view.press(kind));
const refreshServers = startServers(() => link.isUp && instance !== null, (servers) => {
  store.setServers(servers);
  showServers(servers, store.now());
  showSoon();
});

const feed = new Feed('v1/watch', {
  event: (type, value) => (type === 'instance' ? begin(value) : type === 'rows' && takeRows(value)),
  state: (state) => {
    link.show(state);
    if (state.up) {
      refreshServers();
    }
  },
  refused: () => askForToken(),
});

function openPanel(name, options) {
  view.account = name;
  panel.open(name, options);
  grid.draw();
}

/** Handles the description of the process, which is new after a restart. */
function begin(value) {
  if (instance && instance.instance !== value.instance) {
    showNotice('matterhost was restarted.');
  }
  instance = value;
  store.setNow(value.now);
  panel.readOnly = Boolean(value.read_only);
  sinks.readOnly = Boolean(value.read_only);
  byId('read-only').hidden = !value.read_only;
  byId('logout').hidden = token() === null;
}

function takeRows(rows) {
  announceChanges(store.apply(rows), store.at);
  panel.changed(rows.accounts);
  if (rows.snapshot) {
    clearTimeout(sweeping);
    sweeping = setTimeout(() => store.sweep() && showSoon(), SWEEP_MS);
  }
  showSoon();
}

function showSoon() {
  showing ??= setTimeout(() => {
    showing = null;
    show();
    panel.update();
    // Open the details named in the URL once their account has arrived.
    if (panel.name === null && view.account !== null && store.get(view.account)) {
      panel.open(view.account, { focus: false });
    }
  }, SHOW_MS);
}

function show() {
  const { at } = store;
  const sums = count(store.all(), at);
  const rate = (account) => store.spark(account.name).perMinute(at.now);
  const shown = view.hold(choose(store.all(), view.filter, at, rate));
  byId('grid').classList.toggle('clustered', [...store.all()].some(({ member }) => member));
  grid.show(shown);
  counts.show(sums, view.filter.states);
  showVerdict(sums, problems(store.all(), at), pickProblem);
  setText(byId('shown'), shown.length === store.size ? '' : `${number(shown.length)} of ${number(store.size)} shown`);
  byId('empty').hidden = shown.length > 0;
  setText(byId('empty'), store.size === 0 ? 'No accounts are hosted here.' : 'No accounts match.');
}

function pickProblem(kind) {
  if (kind.count === 1 && !kind.isServer) {
    openPanel(kind.first.name);
  } else {
    view.only(kind);
  }
}

function askForToken(refused = token()) {
  const reason = loginReason(refused);
  leave(refused);
  showLogin(reason);
}

/** Ends all streams and removes all data, so that nothing can be read behind the login. */
function leave(used) {
  feed.stop();
  tail.close();
  sinks.clear();
  closeDialog();
  view.account = null;
  panel.close();
  clearTimeout(showing);
  clearTimeout(sweeping);
  showing = null;
  store.clear();
  grid.show([]);
  // The refusal of a late request must not remove a token that was stored meanwhile.
  if (token() === used) {
    keepToken(null);
  }
  instance = null;
}

function enter(value) {
  byId('app').hidden = false;
  begin(value);
  feed.start();
}

/** Starts the page: shows the login if a token is required, else connects, and waits if the service is down. */
async function start() {
  let problemOfLink = null;
  try {
    await signIn();
  } catch (problem) {
    problemOfLink = problem;
  }
  const used = token();
  try {
    enter(await ask('v1/instance'));
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) {
      askForToken(used);
      showLoginProblem(problemOfLink);
    } else {
      byId('app').hidden = false;
      feed.start();
    }
  }
}

startTheme();
startDialog();
startLogin(enter);
followLinks();
byId('scroller').addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    panel.close();
  }
});
byId('logout').addEventListener('click', () => {
  leave(token());
  showLogin('You are logged out.');
});

// A browser keeps a left page for the back button. Its streams must close: there are only six connections per host.
addEventListener('pagehide', () => {
  feed.stop();
  tail.close();
});
addEventListener('pageshow', (event) => {
  if (event.persisted && instance) {
    feed.start();
  }
});

setInterval(() => {
  grid.draw();
  panel.update();
  link.tick();
}, TICK_MS);
start();
