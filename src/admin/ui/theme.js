// Dark or light: as the system has it, until somebody says otherwise.

import { byId, setText } from './dom.js';

const KEY = 'matterhost.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** Takes up what was chosen, and wires the button. */
export function startTheme() {
  show();
  system.addEventListener('change', show);
  byId('theme').addEventListener('click', () => {
    const other = isDark() ? 'light' : 'dark';
    // What the system has anyway is no choice: the page goes on following the system.
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
