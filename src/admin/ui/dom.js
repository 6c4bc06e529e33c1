// Small helps with the document. Text from the API becomes text nodes, never markup.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * Makes an element. Of `attributes`, what begins with `on` is a listener; a child that is no node becomes text,
 * and one that is null, undefined or false is left out.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else if (value !== undefined && value !== null && value !== false) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets the text only where it differs: what has not changed is neither laid out nor read out again. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Sets the attribute only where it differs, and takes it away when the value is null. */
export function setAttribute(element, name, value) {
  if (value === null) {
    element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

/** The shape of a tone: it says what the colour says. */
export function shape(tone) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  const use = document.createElementNS(space, 'use');
  use.setAttribute('href', `#shape-${tone}`);
  svg.setAttribute('class', 'shape');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}
