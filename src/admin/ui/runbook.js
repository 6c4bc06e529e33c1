// The runbook: renders the runbook of the documentation, with an anchor for each heading, state and ending.

import { byId, make } from './dom.js';

/** Returns the anchor of a heading or a table's row. */
export const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/[\s_]+/g, '-');

/** Renders the subset of Markdown that the documentation uses. */
export function render(markdown) {
  const lines = markdown.split('\n');
  const blocks = [];
  let section = '';
  for (let at = 0; at < lines.length;) {
    const end = endOf(lines, at);
    const block = lines.slice(at, end);
    const heading = /^(#{1,3}) (.*)/.exec(block[0]);
    if (heading) {
      section = slug(heading[2]);
      blocks.push(make(`h${heading[1].length}`, { id: section }, ...inline(heading[2])));
    } else if (block[0].startsWith('```')) {
      blocks.push(make('pre', { tabindex: '0' }, block.slice(1, -1).join('\n')));
    } else if (block[0].startsWith('|')) {
      blocks.push(table(block, section));
    } else if (isItem(block[0])) {
      blocks.push(make('ul', {}, items(block).map((item) => make('li', {}, ...inline(item)))));
    } else if (block[0].trim() !== '') {
      blocks.push(make('p', {}, ...inline(block.map((line) => line.trim()).join(' '))));
    }
    at = end;
  }
  return blocks;
}

const isItem = (line) => /^\s*([*-]|\d+\.) /.test(line);

const kind = (line) => (line.startsWith('|') ? 'table' : line.trim() === '' ? 'empty' : line.startsWith('#') ? 'heading' : 'text');

/** Returns the index after the block that begins at this line. */
function endOf(lines, at) {
  if (lines[at].startsWith('```')) {
    const close = lines.findIndex((line, index) => index > at && line.startsWith('```'));
    return close < 0 ? lines.length : close + 1;
  }
  const first = kind(lines[at]);
  let end = at + 1;
  if (first === 'heading' || first === 'empty') {
    return end;
  }
  const fits = (line) => kind(line) === first && !line.startsWith('```') && (isItem(lines[at]) || !isItem(line));
  while (end < lines.length && fits(lines[end])) {
    end += 1;
  }
  return end;
}

function items(block) {
  const list = [];
  for (const line of block) {
    if (isItem(line)) {
      list.push(line.replace(/^\s*([*-]|\d+\.) /, ''));
    } else {
      list[list.length - 1] += ` ${line.trim()}`;
    }
  }
  return list;
}

function table([head, , ...rows], section) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((cell) => cell.trim());
  const row = (line) => {
    const [first, ...rest] = cells(line);
    const name = /^`([^`]+)`$/.exec(first);
    return make(
      'tr',
      { id: name && `${section}-${slug(name[1])}` },
      [first, ...rest].map((cell) => make('td', {}, ...inline(cell))),
    );
  };
  const titles = cells(head).map((cell) => make('th', { scope: 'col' }, ...inline(cell)));
  return make('table', { tabindex: '0' }, make('thead', {}, make('tr', {}, titles)), make('tbody', {}, rows.map(row)));
}

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)]+)\)/g;

/** Returns the nodes of a line: code, bold and stressed text, and links within the page. Other links become text. */
function inline(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold, stressed, words, target] = match;
    nodes.push(text.slice(at, match.index));
    if (code) {
      nodes.push(make('code', {}, code));
    } else if (bold) {
      nodes.push(make('b', {}, bold));
    } else if (stressed) {
      nodes.push(make('em', {}, stressed));
    } else {
      nodes.push(target.startsWith('#') ? make('a', { href: target }, words) : words);
    }
    at = match.index + whole.length;
  }
  return [...nodes, text.slice(at)];
}

async function show() {
  const main = byId('runbook');
  const answer = await fetch('runbook.md', { credentials: 'omit' }).catch(() => null);
  if (!answer?.ok) {
    main.replaceChildren(make('p', { class: 'error' }, 'The runbook cannot be loaded; see docs/runbook.md.'));
    return;
  }
  main.replaceChildren(...render(await answer.text()));
  // The target did not exist when the browser looked for it.
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  target?.classList.add('target');
  target?.scrollIntoView();
}

show();
