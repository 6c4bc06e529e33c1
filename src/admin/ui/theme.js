// The dark or light theme: that of the system unless the user chose the other one.

import { byId, setText } from './dom.js';

const KEY = 'matterhost.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** Applies the stored choice and adds the event listeners. */
export function startTheme() {
  show();
  system.addEventListener('change', show);
  byId('theme').addEventListener('click', () => {
    const other = isDark() ? 'light' : 'dark';
    // Choosing the system's theme makes the page follow the system again.
    if (other === (system.matches ? 'dark' : 'light')) {
      localStorage.removeItem(KEY);
    } else {
      localStorage.setItem(KEY, other);
    }
    show();
  });
}

const chosen = () => localStorage.getItem(KEY);

const isDark = () => (chosen() ? chosen() === 'dark' : system.matches);

function show() {
  const theme = chosen();
  if (theme) {
    document.documentElement.dataset.theme = theme;
  } else {
    delete document.documentElement.dataset.theme;
  }
  setText(byId('theme'), isDark() ? 'Light' : 'Dark');
  byId('theme').setAttribute('aria-label', isDark() ? 'Use light colours' : 'Use dark colours');
}
