// The last endings of an account, newest first.

import { make } from './dom.js';
import { TOUCHED, ago, cause, exact, span } from './words.js';

/** Shows the endings. Only their times are updated unless an ending was added or changed. */
export function fillEndings(element, endings, name, now) {
  const key = JSON.stringify(endings ?? null);
  if (element.dataset.key === key) {
    element.querySelectorAll('time').forEach((time) => {
      time.firstChild.data = agoWords(time.dateTime, now);
    });
    return;
  }
  element.dataset.key = key;
  element.replaceChildren(content(endings, name, now));
}

const agoWords = (at, now) => {
  const words = ago(at, now);
  return words === 'now' ? 'now' : `${words} ago`;
};

function content(endings, name, now) {
  if (!endings) {
    return make('p', { class: 'note' }, 'loading …');
  }
  if (endings.length === 0) {
    return make('p', { class: 'note' }, 'None since matterhost started.');
  }
  return make('ol', {}, endings.map((ending) => item(ending, name, now)));
}

/** Creates a link to the entry of a state or an ending in a section of the runbook. */
export const runbook = (section, entry, text) =>
  make('a', { href: `runbook.html#${section}-${entry.replaceAll('_', '-')}`, target: '_blank', rel: 'noreferrer' }, text);

function item(ending, name, now) {
  const time = make('time', { datetime: ending.at, title: new Date(ending.at).toString() }, agoWords(ending.at, now));
  const facts = [
    `generation ${ending.generation}`,
    exact(ending.at, now),
    ending.ready_for_ms === undefined || ending.ready_for_ms === null ? 'never ready' : `was ready for ${span(ending.ready_for_ms)}`,
    ending.back_after_ms === undefined || ending.back_after_ms === null ? null : `back after ${span(ending.back_after_ms)}`,
    ending.charged ? 'charged to the budget' : null,
    TOUCHED[ending.reason] ? ending.cause : null,
  ];
  return make('li', {}, time, make('p', { class: 'cause', title: ending.cause }, cause(ending, name)), make('p', { class: 'note' }, facts.filter(Boolean).join(' · '), ' · ', runbook('endings', ending.reason, 'What to do')));
}
