/**
 * Makes a key in this page: twelve words shown, three asked back, a passphrase, then ciphertext and public key into the form.
 *
 * DOM contract (the server renders the first group, this file the second):
 *   `script#key-page` the parameters; `div#key-app` an empty place; `form#key-form[hidden]` with hidden inputs `xpub` and `file`.
 *   `[data-step="begin"] #make-words` → `[data-step="words"] ol#words > li`, `#words-written` → `[data-step="check"]`
 *   `input[data-word-number]` ×3, `#words-check` → `[data-step="passphrase"]` → `[data-step="done"] a#key-download`, `#key-xpub`;
 *   then the form is shown (`hidden` removed). Problems: `[role=alert][data-refusal]`.
 */

import { keyFileText, sealKeyFile } from './keyfile.js';
import { deriveAccount, newWords, normaliseWords, WORD_COUNT } from './mnemonic.js';
import { byId, el, field, showRefusal } from './ui-dom.js';
import { passphraseStep } from './ui-passphrase.js';
import { insist } from './refusal.js';

/** @typedef {{account: string, network: string, account_number: number, registered: {origin: string, xpub: string}[], mode: string}} KeyPage */

/** Puts one step into the app and moves the focus to its heading. @param {Node} step */
export function showStep(step) {
  byId('key-app').replaceChildren(step);
  byId('key-app').querySelector('h2')?.focus();
}

/** Three different places out of twelve, in order. */
export function placesToAsk() {
  const places = [...Array(WORD_COUNT).keys()];
  for (let at = places.length - 1; at > 0; at -= 1) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (at + 1);
    [places[at], places[other]] = [places[other], places[at]];
  }
  return places.slice(0, 3).sort((a, b) => a - b);
}

/** @param {KeyPage} page */
export function startMaking(page) {
  const make = () => showWords(page, newWords());
  showStep(
    el(
      'section', { 'data-step': 'begin', class: 'step' },
      el('h2', { tabindex: '-1' }, 'Make a key in this browser'),
      el('p', {}, 'You will see twelve words. Have paper at hand and nobody behind you: whoever has these words has your key, and if you lose both them and your passphrase, the key is gone.'),
      el('div', { class: 'acts' }, el('button', { type: 'button', id: 'make-words', class: 'btn big', onclick: make }, 'Show me my words')),
    ),
  );
}

/** @param {KeyPage} page @param {string} words */
function showWords(page, words) {
  const list = el('ol', { id: 'words', class: 'words', translate: 'no' }, ...words.split(' ').map((word) => el('li', { class: 'mono' }, word)));
  const written = () => askBack(page, words);
  showStep(
    el(
      'section', { 'data-step': 'words', class: 'step' },
      el('h2', { tabindex: '-1' }, 'Write these twelve words down'),
      el('p', {}, 'On paper, with their numbers. They are shown only now and are not kept.'),
      list,
      el('div', { class: 'acts' }, el('button', { type: 'button', id: 'words-written', class: 'btn', onclick: written }, 'I have written them down')),
    ),
  );
}

/** @param {KeyPage} page @param {string} words */
function askBack(page, words) {
  const places = placesToAsk();
  const fields = places.map((place) => field(`word-${place + 1}`, `Word ${place + 1}`, { type: 'text', 'data-word-number': place + 1 }));
  const problems = el('div', {});
  const check = (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      fields.forEach((one, at) => {
        const right = normaliseWords(one.querySelector('input').value) === words.split(' ')[places[at]];
        insist(right, 'words', `Word ${places[at] + 1} is not what was shown: look at your paper again.`);
      });
      askPassphrase(page, words, null);
    } catch (problem) {
      showRefusal(problems, problem);
    }
  };
  const back = () => showWords(page, words);
  showStep(
    el(
      'form', { 'data-step': 'check', class: 'step', autocomplete: 'off', onsubmit: check },
      el('h2', { tabindex: '-1' }, 'Three of them, from your paper'),
      ...fields, problems,
      el(
        'div', { class: 'acts' },
        el('button', { type: 'submit', id: 'words-check', class: 'btn' }, 'Check'),
        el('button', { type: 'button', id: 'words-again', class: 'btn quiet', onclick: back }, 'Show the words again'),
      ),
    ),
  );
}

/**
 * The last question; `restored` is the registered key these words were compared with, or null for a new key.
 * @param {KeyPage} page @param {string} words @param {{origin: string, xpub: string, account: number}|null} restored
 */
export function askPassphrase(page, words, restored) {
  showStep(
    passphraseStep(async (passphrase) => {
      const { origin, xpub } = deriveAccount(words, page.network, restored ? restored.account : page.account_number);
      const file = await sealKeyFile({ words, passphrase, account: page.account, network: page.network, origin, xpub });
      finish(file, 'Your key is ready');
    }),
  );
}

/** Fills the server's form, offers the file, shows the way on. @param {import('./keyfile.js').KeyFile} file @param {string} title */
export function finish(file, title) {
  const form = byId('key-form');
  const text = keyFileText(file);
  form.elements.namedItem('xpub').value = `${file.origin}${file.xpub}`;
  form.elements.namedItem('file').value = text;
  form.hidden = false;
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  showStep(
    el(
      'section', { 'data-step': 'done', class: 'step' },
      el('h2', { tabindex: '-1' }, title),
      el('p', {}, 'Only this public key and the encrypted file leave the page:'),
      el('p', { class: 'mono', id: 'key-xpub' }, `${file.origin}${file.xpub}`),
      el('p', {}, el('a', { id: 'key-download', class: 'btn quiet', href: url, download: `trine-key-${file.account}.json` }, 'Save the encrypted file'), ' A second copy, on another device, costs nothing.'),
    ),
  );
}
