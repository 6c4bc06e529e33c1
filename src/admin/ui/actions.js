// What can be done with an account, and what it will do, said before it is done.

import { accountPath, ask } from './api.js';
import { confirm } from './dialog.js';
import { say } from './notice.js';

const next = (account) => `A fresh connection begins; generation ${account.generation} ends.`;

/** Each action: its word, and what it does with this account. */
export const ACTIONS = {
  restart: {
    word: 'Restart',
    does: (account) => `${next(account)} What is posted meanwhile is caught up with. No other account is touched.`,
  },
  reset: {
    word: 'Reset',
    does: () => 'The account gets its whole restart budget back, and one that tripped is tried at once.',
  },
  audit: {
    word: 'Audit',
    does: () =>
      'The posts on the server are compared with those that were received. A hole makes a fresh connection, and '
      + 'is filled.',
  },
  stop: {
    word: 'Stop',
    does: () => 'What was heard is handed over, and nothing runs until somebody starts the account again.',
  },
  start: {
    word: 'Start',
    does: () => 'A connection begins, and what was posted meanwhile is caught up with.',
  },
};

const isDown = (account) => account.state === 'stopped' || account.state === 'stopping';

const pick = (names) => names.map((name) => [name, ACTIONS[name]]);

/** The three that a row offers. */
export const offered = (account) => pick([isDown(account) ? 'start' : 'restart', 'reset', 'audit']);

/** All that the details offer. */
export const allOffered = (account) =>
  pick(isDown(account) ? ['start', 'reset', 'audit'] : ['restart', 'reset', 'audit', 'stop']);

/** Asks whether it is to be done, and does it. */
export function act(account, action, { readOnly }) {
  const { word, does } = ACTIONS[action];
  if (readOnly) {
    say('This token may only look: log in with the full one to change something.');
    return;
  }
  confirm({
    title: `${word} ${account.name}?`,
    text: does(account),
    go: `${word} ${account.name}`,
    act: async () => {
      await ask(accountPath(account.name, action), { method: 'POST' });
      say(`${word} of ${account.name} is asked for.`);
    },
  });
}
