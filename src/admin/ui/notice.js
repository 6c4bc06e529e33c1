// What is said to everybody: a line at the bottom, and changes for who does not see them.

import { byId, setText } from './dom.js';
import { isIll, number, standing, why } from './words.js';

const SAID_FOR_MS = 6_000;

// Changes are read out together: a storm is one sentence.
const GATHER_MS = 2_000;
const NAMED = 3;

let fading = null;
let gathered = new Map();
let gathering = null;

/** Says something for a few seconds. */
export function say(text) {
  const line = byId('said');
  setText(line, text);
  line.classList.add('visible');
  clearTimeout(fading);
  fading = setTimeout(() => {
    line.classList.remove('visible');
    setText(line, '');
  }, SAID_FOR_MS);
}

/** Reads out which accounts fell ill or got well, a moment after the first. */
export function tellChanges(changes, at) {
  for (const { was, is } of changes) {
    if (isIll(was, at) !== isIll(is, at)) {
      gathered.set(is.name, is);
    }
  }
  if (gathered.size > 0 && gathering === null) {
    gathering = setTimeout(() => readOut(at), GATHER_MS);
  }
}

function readOut(at) {
  const accounts = [...gathered.values()];
  gathered = new Map();
  gathering = null;
  setText(byId('changes'), sentence(accounts, at));
}

/** Reads something out to who does not see it. */
export const readOutNow = (text) => setText(byId('changes'), text);

/** The changes as one sentence. */
export function sentence(accounts, at) {
  if (accounts.length <= NAMED) {
    return accounts.map((account) => one(account, at)).join('. ');
  }
  const ill = accounts.filter((account) => isIll(account, at)).length;
  return `${number(ill)} accounts are ill now, ${number(accounts.length - ill)} are well again`;
}

function one(account, at) {
  const { word } = standing(account, at);
  return isIll(account, at) ? `${account.name} is ${word}: ${why(account, at)}` : `${account.name} is ${word}`;
}
