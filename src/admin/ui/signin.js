// Signing in by a link that works once: the page exchanges its code for the token.

import { ask, keepToken } from './api.js';

const KEY = 'sign-in';

/** Removes the code of a link from the URL and returns it, or null. */
function takeCode() {
  const address = new URLSearchParams(location.hash.slice(1));
  const code = address.get(KEY);
  if (code !== null) {
    address.delete(KEY);
    history.replaceState(null, '', `#${address}`);
  }
  return code;
}

/** Signs in if the URL is such a link. Throws a `Problem` if the link does not work. */
export async function signIn() {
  const code = takeCode();
  if (code) {
    const { token } = await ask('v1/sign-in', { method: 'POST', as: code });
    keepToken(token);
  }
}

/** Follows a link that is opened in a tab that already shows the page. */
export function followLinks() {
  addEventListener('hashchange', () => {
    if (new URLSearchParams(location.hash.slice(1)).has(KEY)) {
      location.reload();
    }
  });
}
