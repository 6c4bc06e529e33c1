// The one dialog: it names what will be done, and to whom.

import { byId, setText } from './dom.js';

let current = null;

/** Asks. `act` is called when it is confirmed; what it throws is shown, and the dialog stays. */
export function confirm({ title, text, go, act }) {
  const dialog = byId('dialog');
  current = { act, opener: document.activeElement };
  setText(byId('dialog-title'), title);
  setText(byId('dialog-text'), text);
  setText(byId('dialog-go'), go);
  setText(byId('dialog-error'), '');
  busy(false);
  dialog.showModal();
  // Not the other one: an Enter held a moment too long would confirm what it asked for.
  byId('dialog-cancel').focus();
}

/** Closes it, as for a logout. */
export const closeDialog = () => byId('dialog').close();

/** Wires its buttons, once. */
export function startDialog() {
  byId('dialog').addEventListener('close', closed);
  byId('dialog-cancel').addEventListener('click', closeDialog);
  byId('dialog-go').addEventListener('click', confirmed);
}

async function confirmed() {
  const mine = current;
  busy(true);
  try {
    await mine.act();
    if (mine === current) {
      closeDialog();
    }
  } catch (problem) {
    if (mine === current) {
      setText(byId('dialog-error'), `It was not done: ${problem.message}`);
      busy(false);
    }
  }
}

function busy(is) {
  byId('dialog-go').disabled = is;
}

// The browser gives the focus back by itself, but not to a row that was drawn anew meanwhile.
function closed() {
  const { opener } = current ?? {};
  current = null;
  if (opener?.isConnected) {
    opener.focus({ preventScroll: true });
  }
}
