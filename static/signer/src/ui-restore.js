/**
 * Brings a registered key back on any device, from its words or from its file and passphrase. Refused unless it gives
 * one of the registered keys.
 *
 * DOM contract: as in ui-make.js; with `mode: "restore"` this file makes `[data-step="restore"]` with two forms:
 * `form#restore-words-form` (`textarea#restore-words`, button `#restore-from-words`) → passphrase step → done, and
 * `form#restore-file-form` (`input#restore-file`, `#restore-passphrase`, button `#restore-from-file`) → done.
 */

import { openKeyFile, parseKeyFile } from './keyfile.js';
import { checkWords, deriveAccount, normaliseWords } from './mnemonic.js';
import { accountNumber, sameAccount } from './xpub.js';
import { busy, byId, el, field } from './ui-dom.js';
import { askPassphrase, finish, showStep } from './ui-make.js';
import { insist, refuse } from './refusal.js';

const OTHER_KEY = 'This is a sound key, but not one that is registered for your account, so nothing was changed.';

/**
 * The registered key that these words give.
 * @param {import('./ui-make.js').KeyPage} page @param {string} words
 */
export function registeredFor(page, words) {
  for (const known of page.registered) {
    const account = accountNumber(known.origin);
    const derived = deriveAccount(words, page.network, account);
    derived.account.wipePrivateData();
    if (derived.origin === known.origin && sameAccount(derived.xpub, known.xpub, page.network)) return { ...known, account };
  }
  return refuse('key', OTHER_KEY);
}

/** @param {import('./ui-make.js').KeyPage} page @param {string} text @param {string} passphrase */
export async function restoreFile(page, text, passphrase) {
  const file = parseKeyFile(text);
  insist(file.network === page.network, 'network', 'This key file belongs to another bitcoin network.');
  insist(file.account === page.account, 'file', `This key file was made for the account “${file.account}”, not for “${page.account}”.`);
  const known = page.registered.some((key) => key.origin === file.origin && sameAccount(key.xpub, file.xpub, page.network));
  insist(known, 'key', OTHER_KEY);
  const opened = await openKeyFile(file, passphrase);
  opened.account.wipePrivateData();
  return file;
}

/** @param {import('./ui-make.js').KeyPage} page */
export function startRestoring(page) {
  const step = el('section', { 'data-step': 'restore', class: 'step' }, el('h2', { tabindex: '-1' }, 'Bring your key back'));
  step.append(wordsForm(page), fileForm(page));
  showStep(step);
}

/** @param {import('./ui-make.js').KeyPage} page */
function wordsForm(page) {
  const problems = el('div', {});
  const button = el('button', { type: 'submit', id: 'restore-from-words', class: 'btn' }, 'Use these words');
  const words = field('restore-words', 'Your twelve words', { rows: 3 }, 'They stay in this page. You then choose a new signing passphrase.');
  const work = async () => {
    const typed = normaliseWords(byId('restore-words').value);
    checkWords(typed);
    askPassphrase(page, typed, registeredFor(page, typed));
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void busy(button, 'Checking …', problems, work);
  };
  return el('form', { id: 'restore-words-form', autocomplete: 'off', onsubmit: submit }, el('h3', {}, 'From the words'), words, problems, button);
}

/** @param {import('./ui-make.js').KeyPage} page */
function fileForm(page) {
  const problems = el('div', {});
  const button = el('button', { type: 'submit', id: 'restore-from-file', class: 'btn' }, 'Use this file');
  const work = async () => {
    const [chosen] = byId('restore-file').files;
    insist(chosen && chosen.size <= 8192, 'file', 'Choose your key file first; it has less than 8 KiB.');
    finish(await restoreFile(page, await chosen.text(), byId('restore-passphrase').value), 'Your key is back');
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void busy(button, 'Opening …', problems, work);
  };
  return el(
    'form', { id: 'restore-file-form', autocomplete: 'off', onsubmit: submit },
    el('h3', {}, 'From the encrypted file'),
    field('restore-file', 'Key file', { type: 'file', accept: '.json,application/json' }),
    field('restore-passphrase', 'Its signing passphrase', { type: 'password' }),
    problems, button,
  );
}
