/**
 * Keeps private keys and seed words from being sent: any input or textarea with `data-no-secrets` is read before its form
 * goes out and whenever it changes. On a find the form is not sent and `[role=alert][data-refusal="secret"]` follows the field.
 */

import { secretIn } from './secrets.js';
import { el, showRefusal } from './ui-dom.js';
import { Refusal } from './refusal.js';

/** @param {string} what */
export const secretWords = (what) =>
  `This holds ${what}. It was not sent. Never type it into a page that asks for it: here only the public key or a signature is needed.`;

/** @param {any} input @returns {boolean} whether something was found */
function guard(input) {
  const what = secretIn(input.value ?? '');
  let place = input.nextElementSibling?.matches('[data-guard]') ? input.nextElementSibling : null;
  if (!what) {
    place?.replaceChildren();
    return false;
  }
  if (!place) {
    place = el('div', { 'data-guard': true });
    input.after(place);
  }
  showRefusal(place, new Refusal('secret', secretWords(what)));
  return true;
}

export function startGuard() {
  document.addEventListener('change', (event) => {
    const input = /** @type {any} */ (event.target);
    if (input.matches?.('[data-no-secrets]')) guard(input);
  });
  document.addEventListener(
    'submit',
    (event) => {
      const guarded = [.../** @type {HTMLFormElement} */ (event.target).querySelectorAll('[data-no-secrets]')];
      if (guarded.filter(guard).length === 0) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
}
