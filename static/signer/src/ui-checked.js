/** What the server rendered and this page must first check: the escrow address and payment details. See ui-sign.js for the names. */

import { plainBtc, rowsOf } from './words.js';
import { paymentUri, qrCode } from './ui-qr.js';
import { addressNodes, el } from './ui-dom.js';
import { insist } from './refusal.js';

/** @param {string} name @returns {any[]} */
const all = (name) => [...document.querySelectorAll(`[data-signer="${name}"]`)];
/** Texts that the server wrote for the address, taken out of the page until checked. @type {Map<Element, string>} */
const written = new Map();

/** The same of the payment details: label and spacing of each value, by the value itself. @type {Map<Element, Map<string, [string, string]>>} */
const writtenDetails = new Map();

/** Takes every unchecked address, and all payment details, out of the page before anything else happens. */
export function hideUnchecked() {
  for (const node of all('address')) {
    written.set(node, node.textContent.replace(/\s/gu, ''));
    node.textContent = '…';
  }
  for (const list of [...all('payee-details'), ...all('payer-details')]) {
    writtenDetails.set(list, writtenIn(list));
    list.replaceChildren();
  }
  for (const node of all('qr')) node.replaceChildren();
  for (const node of [...all('address-block'), ...all('details-block'), ...all('bip21'), ...all('qr'), ...all('server-words')]) node.hidden = true;
}

/**
 * Puts the rebuilt address and the checked details into the page. What is asked for is the deposit of the contract, or what the desk
 * says is missing of it: never more than the contract's.
 * @param {import('./verify.js').Plan} plan @param {number|null} missing in satoshis
 */
export function showChecked(plan, missing) {
  const { address } = plan.contract.lock;
  const due = plan.contract.fields.deposit_sat;
  const asked = missing ?? due;
  insist(Number.isSafeInteger(asked) && asked > 0 && asked <= due, 'contract', 'The desk asks for more than the deposit of the contract. Send nothing.');
  const other = 'The desk shows another address than the one the three keys make. Do not send coins to it.';
  for (const text of written.values()) insist(text === '' || text === '…' || text === address, 'address', other);
  for (const link of all('bip21')) {
    const [to] = link.getAttribute('href').replace(/^bitcoin:/iu, '').split('?');
    insist(to === address || to === address.toUpperCase(), 'address', other);
  }
  showDetails(plan);
  for (const node of all('address')) {
    node.replaceChildren(...addressNodes(address));
    node.dataset.checked = 'yes';
  }
  const uri = paymentUri(address, asked);
  for (const node of all('qr')) node.replaceChildren(qrCode(uri, `QR code: ${uri}`));
  for (const node of all('bip21')) node.setAttribute('href', uri);
  for (const node of [...all('address-block'), ...all('bip21'), ...all('qr')]) node.hidden = false;
  startCopying({ 'copy-address': address, 'copy-amount': plainBtc(asked) });
  say(`Checked by this page: all ${plan.checks.length} checks passed, and the address follows from the three keys of the contract.`);
}

/** Instead of the server's words that nothing was checked. @param {string} words */
function say(words) {
  for (const node of all('unchecked')) node.hidden = true;
  for (const node of all('checked')) {
    node.textContent = words;
    node.hidden = false;
  }
}

/** Copies what this page rebuilt, never what the server wrote. @param {Record<string, string>} texts by name of the button */
function startCopying(texts) {
  for (const [name, text] of Object.entries(texts)) {
    for (const button of navigator.clipboard ? all(name) : []) {
      const label = button.textContent;
      button.hidden = false;
      button.addEventListener('click', async () => {
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
        setTimeout(() => (button.textContent = label), 2000);
      });
    }
  }
}

/** Puts the details behind the contract's hashes in the place of what the server wrote, and only then shows that place. @param {import('./verify.js').Plan} plan */
export function showDetails(plan) {
  for (const [name, details] of [['payee-details', plan.details?.payee], ['payer-details', plan.details?.payer]]) {
    if (!details) {
      insist(all(String(name)).length === 0, 'details', 'The desk did not send the payment details with the hash of the contract. Send no money.');
      continue;
    }
    for (const list of all(String(name))) {
      const written = writtenDetails.get(list) ?? new Map();
      const order = [...written.keys()];
      const byOrder = (/** @type {[string, string]} */ [, one], /** @type {[string, string]} */ [, two]) => order.indexOf(bare(one)) - order.indexOf(bare(two));
      const rows = rowsOf(details.fields ?? details).sort(byOrder).flatMap(([label, value]) => {
        const [words, spaced] = written.get(bare(value)) ?? [label, value];
        return [el('dt', {}, words), el('dd', { class: 'fact' }, spaced)];
      });
      list.replaceChildren(...rows);
    }
  }
  for (const node of all('details-block')) node.hidden = false;
  say('Checked by this page: these are the details that both signed in the contract.');
}

const bare = (/** @type {string} */ text) => text.replace(/\s/gu, '');

/** The server's label and spacing of each value, kept where the value is the contract's. @param {Element} list @returns {Map<string, [string, string]>} */
const writtenIn = (list) =>
  new Map([...list.querySelectorAll('dt')].map((term) => {
    const value = term.nextElementSibling?.textContent ?? '';
    return [bare(value), [term.textContent ?? '', value]];
  }));
