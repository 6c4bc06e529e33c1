// The login form for the token, which is stored in this tab only.

import { Problem, ask, keepToken } from './api.js';
import { byId, setText } from './dom.js';

// The characters that a header can carry; no token has others.
const SENDABLE = /^[\x21-\x7e]+$/;

/** Adds the event listener; `done(instance)` is called once a token was accepted. */
export function startLogin(done) {
  byId('login-form').addEventListener('submit', (event) => {
    event.preventDefault();
    submit(done);
  });
}

/** Shows the form, with the reason for it. */
export function showLogin(why) {
  document.title = 'matterhost: log in';
  byId('app').hidden = true;
  byId('login').hidden = false;
  setText(byId('login-why'), why);
  setText(byId('login-error'), '');
  byId('token').value = '';
  byId('token').focus();
}

/** Shows why a link for signing in did not work, if there was one. */
export function showLoginProblem(problem) {
  if (problem !== null) {
    setText(byId('login-error'), `The link did not work: ${problem.message}.`);
  }
}

/** Returns the reason for a login: there is no token yet, or the stored one was refused. */
export const loginReason = (refused) =>
  refused === null ? 'A token is required.' : 'The token is no longer valid. Was it changed?';

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
  return problem.status === 0 ? `Cannot reach matterhost: ${problem.message}.` : problem.message;
}
