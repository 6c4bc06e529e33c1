// Notices at the bottom of the page, and announcements for screen readers.

import { byId, setText } from './dom.js';
import { isUnhealthy, number, standing, why } from './words.js';

const NOTICE_MS = 6_000;

// Changes within this time are announced together.
const GATHER_MS = 2_000;
const NAMED = 3;

let fading = null;
let gathered = new Map();
let gathering = null;

/** Shows a notice for a few seconds. */
export function showNotice(text) {
  const line = byId('notice');
  setText(line, text);
  line.classList.add('visible');
  clearTimeout(fading);
  fading = setTimeout(() => {
    line.classList.remove('visible');
    setText(line, '');
  }, NOTICE_MS);
}

/** Announces the accounts that became unhealthy or healthy, or need an operator now, shortly after the first change. */
export function announceChanges(changes, at) {
  gather(gathered, changes, at);
  if (gathered.size > 0 && gathering === null) {
    gathering = setTimeout(() => announceGathered(at), GATHER_MS);
  }
}

/** Adds the accounts whose change is news, and keeps the newest state of those that are gathered already. */
export function gather(accounts, changes, at) {
  for (const { was, is } of changes) {
    if (accounts.has(is.name) || isNews(was, is, at)) {
      accounts.set(is.name, is);
    }
  }
}

function isNews(was, is, at) {
  const needsOperator = (account) => standing(account, at).tone === 'bad';
  return isUnhealthy(was, at) !== isUnhealthy(is, at) || (needsOperator(is) && !needsOperator(was));
}

function announceGathered(at) {
  const accounts = [...gathered.values()];
  gathered = new Map();
  gathering = null;
  announce(sentence(accounts, at));
}

/** Announces a text to screen readers. */
export const announce = (text) => setText(byId('changes'), text);

/** Returns the changes as one sentence. */
export function sentence(accounts, at) {
  if (accounts.length <= NAMED) {
    return accounts.map((account) => one(account, at)).join('. ');
  }
  const unhealthy = accounts.filter((account) => isUnhealthy(account, at)).length;
  return `${number(unhealthy)} accounts are now unhealthy, ${number(accounts.length - unhealthy)} healthy again`;
}

function one(account, at) {
  const { word } = standing(account, at);
  return isUnhealthy(account, at) ? `${account.name} is ${word}: ${why(account, at)}` : `${account.name} is ${word}`;
}
