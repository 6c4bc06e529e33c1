// The page: wires its parts together.

import { act } from './actions.js';
import { Problem, ask, keepToken, token } from './api.js';
import { choose, count, troubles } from './choose.js';
import { closeDialog, startDialog } from './dialog.js';
import { byId, setText } from './dom.js';
import { Feed } from './feed.js';
import { Grid } from './grid.js';
import { Link } from './link.js';
import { showLogin, startLogin, whyAsked } from './login.js';
import { say, tellChanges } from './notice.js';
import { Panel } from './panel.js';
import { fillRow, makeRow } from './row.js';
import { Store } from './store.js';
import { Tail } from './tail.js';
import { startTheme } from './theme.js';
import { Counts, showServers, showVerdict, startServers } from './top.js';
import { View } from './view.js';
import { number } from './words.js';

// What is relative to now is written again each second.
const TICK_MS = 1_000;

// Rows come in pieces; the list is put in order once for those that come together.
const SHOW_MS = 80;

// The pieces of a list that begins anew have come by then, also of ten thousand accounts.
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
  fresh: (account) => {
    tellChanges(store.refresh(account), store.at);
    showSoon();
  },
});

const tail = new Tail({ refused: () => askForToken(), names: () => store.all() });
const link = new Link(() => feed.now());
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

/** Another instance is another process: what was counted begins anew, and the list comes whole. */
function begin(value) {
  if (instance && instance.instance !== value.instance) {
    say('matterhost was started again; this is the new one.');
  }
  instance = value;
  store.setNow(value.now);
  panel.readOnly = Boolean(value.read_only);
  byId('read-only').hidden = !value.read_only;
  byId('logout').hidden = token() === null;
}

function takeRows(rows) {
  tellChanges(store.apply(rows), store.at);
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
    // Details that the address asks for, as soon as their account is here.
    if (panel.name === null && view.account !== null && store.get(view.account)) {
      panel.open(view.account, { focus: false });
    }
  }, SHOW_MS);
}

function show() {
  const { at } = store;
  const sums = count(store.all(), at);
  const rate = (account) => store.spark(account.name).aMinute(at.now);
  const shown = view.hold(choose(store.all(), view.wish, at, rate));
  grid.show(shown);
  counts.show(sums, view.wish.states);
  showVerdict(sums, troubles(store.all(), at), pickTrouble);
  setText(byId('shown'), shown.length === store.size ? '' : `${number(shown.length)} of ${number(store.size)} shown`);
  byId('empty').hidden = shown.length > 0;
  setText(byId('empty'), store.size === 0 ? 'No account is hosted here.' : 'No account is like that.');
}

function pickTrouble(kind) {
  if (kind.count === 1 && !kind.isServer) {
    openPanel(kind.first.name);
  } else {
    view.only(kind);
  }
}

function askForToken() {
  const why = whyAsked();
  leave();
  showLogin(why);
}

/** Ends all streams and forgets all that came: behind the login nothing is left to read. */
function leave() {
  feed.stop();
  tail.close();
  closeDialog();
  view.account = null;
  panel.close();
  clearTimeout(showing);
  clearTimeout(sweeping);
  showing = null;
  store.clear();
  grid.show([]);
  keepToken(null);
  instance = null;
}

function enter(value) {
  byId('app').hidden = false;
  begin(value);
  feed.start();
}

/** Without a token that is needed there is a login; without a service it is waited for. */
async function start() {
  try {
    enter(await ask('v1/instance'));
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) {
      askForToken();
    } else {
      byId('app').hidden = false;
      feed.start();
    }
  }
}

startTheme();
startDialog();
startLogin(enter);
byId('scroller').addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    panel.close();
  }
});
byId('logout').addEventListener('click', () => {
  leave();
  showLogin('You are logged out.');
});

// A page that is left is kept for the way back, and its streams would be, too: a browser opens six to a host.
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
