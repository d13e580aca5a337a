/**
 * The signing page: checks the envelope, says what was checked and what is signed, unlocks the key once, fills the form.
 *
 * DOM contract. The server renders: `script#envelope`, `div#signer-app`, `form#signing` (textarea `signatures`, file input `file`), and where
 * they apply `[data-signer="server-words|address|bip21|qr|address-block|unchecked|checked|payee-details|payer-details|details-block"]`.
 * This file makes in #signer-app: `ul#checks > li[data-check]`, `dl#signer-facts`, `ul#signer-alive`, `input#own-address` with
 * `[data-signer="own-address"]`, `form#signer-unlock` (`#signer-passphrase`, `#signer-sign`) and `[role=alert][data-refusal]`; its
 * `data-state` is checking, refused, ready, checked or signed. Address and payment details stand in the page only after every check passed.
 */

import { requireSecureContext } from './context.js';
import { browserStore } from './memory.js';
import { hideUnchecked, showChecked, showDetails } from './ui-checked.js';
import { addressNodes, alertFor, busy, byId, el, field, pageData, showRefusal } from './ui-dom.js';
import { signEnvelope } from './sign.js';
import { slowWords } from './kdf.js';
import { verify } from './verify.js';
import { BUTTONS, CONSEQUENCES } from './words.js';
import { insist } from './refusal.js';

/** @param {string} state */
const setState = (state) => void (byId('signer-app').dataset.state = state);

export function startSigning() {
  const app = byId('signer-app');
  if (!app) return;
  setState('checking');
  hideUnchecked();
  const here = { hostname: location.hostname, store: browserStore() };
  try {
    const envelope = pageData('envelope');
    const plan = verify(envelope, here);
    app.replaceChildren(...pageOf(plan, envelope, here));
    if (plan.contract && ['check', 'contract'].includes(envelope.act)) showChecked(plan, envelope.top_up_sat ?? null);
    else if (plan.contract) showDetails(plan);
    setState(plan.jobs.length > 0 ? 'ready' : 'checked');
  } catch (problem) {
    showRefusal(app, problem);
    setState('refused');
  }
}

/** @param {import('./verify.js').Plan} plan @param {any} envelope @param {any} here @returns {Node[]} */
function pageOf(plan, envelope, here) {
  const checks = el('ul', { id: 'checks', class: 'checks' }, ...plan.checks.map(({ name, words }) => el('li', { 'data-check': name, 'data-state': 'ok' }, words)));
  const passed = el('details', {}, el('summary', {}, `All ${plan.checks.length} checks passed`), checks);
  const parts = [el('section', { 'data-signer': 'checks' }, el('h2', {}, 'Checked by this page'), passed)];
  if (plan.jobs.length > 0) {
    parts.unshift(el('section', { 'data-signer': 'summary' }, el('h2', {}, 'What you sign'), factList(plan.facts, 'signer-facts'), ...plan.steps.map(stepDetails)));
    const consequence = envelope.act === 'payout' && CONSEQUENCES[`${envelope.payout.kind} ${envelope.role}`];
    if (plan.notice) parts.push(el('p', { class: 'note', id: 'signer-notice' }, plan.notice));
    if (consequence) parts.push(el('p', { class: 'note', id: 'signer-consequence' }, consequence));
    if (plan.alive.length > 0) {
      const alive = el('ul', { id: 'signer-alive' }, ...plan.alive.map((words) => el('li', {}, words)));
      parts.push(el('section', { 'data-signer': 'alive' }, el('h2', {}, 'Signatures that already exist for this deposit'), alive));
    }
    parts.push(envelope.key.file ? unlockWhereSafe(plan, envelope, here) : el('p', { class: 'note' }, 'Your key is in your own wallet. Everything above was checked; sign the file below with your wallet and bring it back.'));
  }
  return parts;
}

/** @param {[string, string][]} facts @param {string} [id] */
const factList = (facts, id) => el('dl', { id, class: 'facts' }, ...facts.flatMap(([label, value]) => [el('dt', {}, label), el('dd', {}, el('span', { class: 'fact' }, value))]));

/** One of several transactions; the usual one is open. @param {import('./facts.js').StepFacts} step */
const stepDetails = ({ title, usual, facts }) => el('details', { open: usual }, el('summary', {}, usual ? `${title} · the usual one` : title), factList(facts));

/** Checking needs no secure context, using a key does. @param {import('./verify.js').Plan} plan @param {any} envelope @param {any} here */
function unlockWhereSafe(plan, envelope, here) {
  try {
    requireSecureContext();
    return unlockForm(plan, envelope, here);
  } catch (problem) {
    return alertFor(problem);
  }
}

/** Own addresses that this device has not seen typed: the person looks and says so. @param {string[]} addresses */
function addressQuestion(addresses) {
  const boxes = addresses.map((address) => el('b', { class: 'mono', 'data-signer': 'own-address', 'data-address': address }, ...addressNodes(address)));
  const tick = el('input', { type: 'checkbox', id: 'own-address' });
  return el(
    'div', { class: 'note' },
    el('p', {}, 'In this contract you are paid at ', ...boxes, '. This device has not seen you type that address: compare it with your wallet.'),
    el('label', { for: 'own-address', class: 'tick' }, tick, ' This is my address'),
  );
}

/** @param {import('./verify.js').Plan} plan @param {any} envelope @param {any} here */
function unlockForm(plan, envelope, here) {
  const problems = el('div', {});
  const button = el('button', { type: 'submit', id: 'signer-sign', class: 'btn big' }, BUTTONS[envelope.act] ?? BUTTONS[envelope.payout?.kind] ?? 'Sign');
  const question = plan.askAddresses.length > 0 ? addressQuestion(plan.askAddresses) : null;
  const passphrase = field('signer-passphrase', 'Signing passphrase', { type: 'password', autocomplete: 'off' }, 'Not your login password. It is used once, here, and forgotten.');
  const input = passphrase.querySelector('input');
  const work = async () => {
    insist(!question || byId('own-address').checked, 'address', 'Compare the address above with your wallet, then tick “This is my address”. If it is not yours, sign nothing.');
    insist(input.value !== '', 'passphrase', 'Type your signing passphrase.');
    const psbts = await signEnvelope(envelope, here, input.value);
    input.value = '';
    hand(psbts);
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void busy(button, 'Signing …', problems, work);
  };
  addEventListener('pagehide', () => (input.value = ''));
  return el('form', { id: 'signer-unlock', class: 'step', autocomplete: 'off', onsubmit: submit }, question, slowWords() ? el('p', { class: 'note' }, slowWords()) : null, passphrase, problems, el('div', { class: 'acts' }, button));
}

/** Gives the signed PSBTs to the server's form and sends it. @param {string[]} psbts */
function hand(psbts) {
  const form = byId('signing');
  form.elements.namedItem('signatures').value = psbts.join('\n');
  setState('signed');
  form.requestSubmit();
}
