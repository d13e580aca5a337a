/**
 * The step that asks for a new signing passphrase, twice, and says how strong it is. It never leaves the page.
 *
 * Made by this file: `[data-step="passphrase"]` with `#passphrase`, `#passphrase-again`, `#passphrase-strength` (role=status,
 * `data-strong="yes|no"`), `#passphrase-suggest` (six random words into `#passphrase-suggestion`) and `#passphrase-set`.
 */

import { BITS_MIN, strengthBits, strengthWords } from './strength.js';
import { randomWords } from './mnemonic.js';
import { slowWords } from './kdf.js';
import { busy, el, field } from './ui-dom.js';
import { insist } from './refusal.js';

const HINT = 'It opens your key each time you sign. It is not your login password, it is never sent, and nobody can reset it.';

/** @param {string} first @param {string} again */
export function checkPassphrase(first, again) {
  insist(strengthBits(first) >= BITS_MIN, 'passphrase', strengthWords(strengthBits(first)));
  insist(first.normalize('NFKC') === again.normalize('NFKC'), 'passphrase', 'The two passphrases are not the same: type it once more.');
}

/** Six random words, drawn again in the rare case that the gate, which counts low, would refuse them. */
export function suggestedPassphrase() {
  for (;;) {
    const words = randomWords(6);
    if (strengthBits(words) >= BITS_MIN) return words;
  }
}

/** @param {(passphrase: string) => Promise<void>} done */
export function passphraseStep(done) {
  const first = field('passphrase', 'New signing passphrase', { type: 'password', autocomplete: 'new-password' }, HINT);
  const again = field('passphrase-again', 'The same once more', { type: 'password', autocomplete: 'new-password' });
  const [input, second] = [first.querySelector('input'), again.querySelector('input')];
  const strength = el('p', { id: 'passphrase-strength', role: 'status', class: 'hint', 'data-strong': 'no' });
  const suggestion = el('output', { id: 'passphrase-suggestion', class: 'mono', for: 'passphrase-suggest' });
  const problems = el('div', {});
  input.addEventListener('input', () => {
    const bits = strengthBits(input.value);
    strength.textContent = input.value === '' ? '' : strengthWords(bits);
    strength.dataset.strong = bits >= BITS_MIN ? 'yes' : 'no';
  });
  const suggest = () => (suggestion.textContent = suggestedPassphrase());
  const set = el('button', { type: 'submit', id: 'passphrase-set', class: 'btn' }, 'Encrypt my key');
  const finish = async () => {
    checkPassphrase(input.value, second.value);
    await done(input.value);
    input.value = second.value = '';
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void busy(set, 'Encrypting …', problems, finish);
  };
  return el(
    'form', { 'data-step': 'passphrase', class: 'step', autocomplete: 'off', onsubmit: submit },
    el('h2', { tabindex: '-1' }, 'Choose a signing passphrase'),
    first, strength,
    el('p', {}, el('button', { type: 'button', id: 'passphrase-suggest', class: 'btn quiet', onclick: suggest }, 'Suggest one'), ' ', suggestion),
    again,
    slowWords() ? el('p', { class: 'note' }, slowWords()) : null,
    problems,
    el('div', { class: 'acts' }, set),
  );
}
