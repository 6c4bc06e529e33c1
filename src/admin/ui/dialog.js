// The dialog that confirms an action.

import { byId, setText } from './dom.js';

let current = null;

/** Opens the dialog. On confirmation calls `act`; if it throws, shows the error and stays open. */
export function confirm({ title, text, go, act }) {
  const dialog = byId('dialog');
  current = { act, opener: document.activeElement };
  setText(byId('dialog-title'), title);
  setText(byId('dialog-text'), text);
  setText(byId('dialog-go'), go);
  setText(byId('dialog-error'), '');
  setBusy(false);
  dialog.showModal();
  // Focus Cancel, so that an Enter held too long does not confirm.
  byId('dialog-cancel').focus();
}

/** Closes the dialog. */
export const closeDialog = () => byId('dialog').close();

/** Adds the event listeners, once. */
export function startDialog() {
  byId('dialog').addEventListener('close', closed);
  byId('dialog-cancel').addEventListener('click', closeDialog);
  byId('dialog-go').addEventListener('click', confirmed);
}

async function confirmed() {
  const mine = current;
  setBusy(true);
  try {
    await mine.act();
    if (mine === current) {
      closeDialog();
    }
  } catch (problem) {
    if (mine === current) {
      setText(byId('dialog-error'), `Failed: ${problem.message}`);
      setBusy(false);
    }
  }
}

function setBusy(busy) {
  byId('dialog-go').disabled = busy;
}

// The browser restores the focus by itself, but not to a row that was redrawn meanwhile.
function closed() {
  const { opener } = current ?? {};
  current = null;
  if (opener?.isConnected) {
    opener.focus({ preventScroll: true });
  }
}
