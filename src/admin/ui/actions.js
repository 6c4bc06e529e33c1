// The actions on an account, and the dialog that explains and confirms each.

import { accountPath, ask } from './api.js';
import { confirm } from './dialog.js';
import { showNotice } from './notice.js';

/** The actions: the word for each, and a text on its effect. */
export const ACTIONS = {
  restart: {
    word: 'Restart',
    effect: (account) =>
      `Generation ${account.generation} of its connection ends and the next one starts. Posts made in between are fetched.`
      + ' No other account is affected.',
  },
  reset: {
    word: 'Reset',
    effect: () => 'Restores the whole restart budget. A tripped account is retried at once, and so is a sink that rests.',
  },
  audit: {
    word: 'Audit',
    effect: () =>
      'Compares the posts on the server with those received. If any are missing, the account reconnects and fetches them.',
  },
  stop: {
    word: 'Stop',
    effect: () => 'Delivers the events already received, then stops until someone starts the account again.',
  },
  start: {
    word: 'Start',
    effect: () => 'Opens a connection and fetches what was posted meanwhile.',
  },
};

/** The explanation for a token that changes nothing. */
export const READ_ONLY = 'This token is read-only. Log in with the full token to make changes.';

const isDown = (account) => account.state === 'stopped' || account.state === 'stopping';

const pick = (names) => names.map((name) => [name, ACTIONS[name]]);

/** The three actions that a row offers. */
export const rowActions = (account) => pick([isDown(account) ? 'start' : 'restart', 'reset', 'audit']);

/** All actions that the details offer. */
export const allActions = (account) =>
  pick(isDown(account) ? ['start', 'reset', 'audit'] : ['restart', 'reset', 'audit', 'stop']);

/** Asks for confirmation, then requests the action. */
export function act(account, action, { readOnly }) {
  const { word, effect } = ACTIONS[action];
  if (readOnly) {
    showNotice(READ_ONLY);
    return;
  }
  confirm({
    title: `${word} ${account.name}?`,
    text: effect(account),
    go: `${word} ${account.name}`,
    act: async () => {
      const { already_running: ran, started_sinks: sinks = [] } = await ask(accountPath(account.name, action), { method: 'POST' });
      const also = sinks.length === 0 ? '' : ` Sink ${sinks.join(', ')}, which rested, is started, too.`;
      showNotice((ran ? `${account.name} is already running.` : `${word} of ${account.name} requested.`) + also);
    },
  });
}
