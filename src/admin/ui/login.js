// The token: asked for when the API wants one, kept in this tab only.

import { Problem, ask, keepToken, token } from './api.js';
import { byId, setText } from './dom.js';

// What a header can carry; anything else is no token.
const SENDABLE = /^[\x21-\x7e]+$/;

/** Shows the form; `why` says what happened, `done(instance)` is called when a token was taken. */
export function startLogin(done) {
  byId('login-form').addEventListener('submit', (event) => {
    event.preventDefault();
    submit(done);
  });
}

/** Asks for a token. */
export function showLogin(why) {
  document.title = 'matterhost: log in';
  byId('app').hidden = true;
  byId('login').hidden = false;
  setText(byId('login-why'), why);
  setText(byId('login-error'), '');
  byId('token').value = '';
  byId('token').focus();
}

/** Why a token is asked for: none is kept yet, or the one that is kept was refused. */
export const whyAsked = () =>
  token() === null ? 'This matterhost asks for a token.' : 'The token is not taken any more. Has it been changed?';

async function submit(done) {
  const button = byId('login-form').querySelector('button');
  const typed = byId('token').value.trim();
  setText(byId('login-error'), '');
  button.disabled = true;
  try {
    if (!SENDABLE.test(typed)) {
      throw new Problem(401, 'no token', '');
    }
    const instance = await ask('v1/instance', { as: typed });
    keepToken(typed);
    byId('login').hidden = true;
    done(instance);
  } catch (problem) {
    setText(byId('login-error'), words(problem));
    byId('token').select();
    byId('token').focus();
  } finally {
    button.disabled = false;
  }
}

function words(problem) {
  if (problem.status === 401 || problem.status === 403) {
    return 'That token is wrong.';
  }
  return problem.status === 0 ? `The service is not there: ${problem.message}.` : problem.message;
}
