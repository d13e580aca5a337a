/**
 * Everything that must hold before a key is used, and before an address is shown. Nothing here touches a private key;
 * what comes out says in words what was checked, what will be signed, and which inputs of which transactions to sign.
 */

import { checkArbitrator, checkContractSignatures, checkDetails, checkOwnKey, contractMessage, readContract } from './contract.js';
import { DRILL_LEVEL, drillLock } from './drill.js';
import { checkMessageInput, formOf } from './message.js';
import { changeWords, checkSuperseded } from './amended.js';
import { checkReuse, otherContract, typedAddresses } from './memory.js';
import { network } from './network.js';
import { ownAddresses } from './terms.js';
import { contractFacts, detailFacts, payoutFacts, rulingFacts } from './facts.js';
import { checkPayouts } from './payout.js';
import { readRuling, rulingMessage } from './ruling.js';
import { parsePsbt } from './signature.js';
import { insist, refuse } from './refusal.js';

/** @typedef {{tx: any, inputs: {index: number, amount: bigint}[]}} Job */
/** @typedef {{name: string, words: string}} Check */
/**
 * @typedef {object} Plan
 * @property {Check[]} checks what was checked, in words
 * @property {[string, string][]} facts what is signed or shown, in words
 * @property {import('./facts.js').StepFacts[]} steps the same of several transactions that differ in the miner fee
 * @property {string[]} alive signatures alive for this deposit and what each could still do
 * @property {Job[]} jobs what to sign; empty when there is nothing to sign
 * @property {import('./lock.js').Lock|null} lock
 * @property {import('./contract.js').Contract|null} contract
 * @property {string} notice what to know before signing; empty if nothing
 * @property {string[]} askAddresses own addresses that were not typed on this device
 * @property {{payee: any, payer: any}|null} details
 * @property {{role: string, level: number|null, index: number, xpub: string}|null} own where the own key stands
 */

/**
 * @param {any} envelope @param {{hostname: string, store: import('./memory.js').Store}} here @returns {Plan}
 */
export function verify(envelope, here) {
  insist(envelope && envelope.v === 1, 'envelope', 'The desk sent this page something that it cannot read. Reload the page.');
  insist(envelope.desk === here.hostname, 'desk', `This page comes from “${here.hostname}”, but what it holds was made for “${envelope.desk}”.`);
  network(envelope.network);
  const plan = { checks: [], facts: [], steps: [], alive: [], jobs: [], lock: null, contract: null, notice: '', askAddresses: [], details: null, own: null };
  plan.checks.push({ name: 'desk', words: `This is the desk “${here.hostname}”, on ${envelope.network}.` });
  if (envelope.act === 'drill' || envelope.act === 'proof') return verifyDrill(envelope, plan);
  const contract = (plan.contract = readContract(envelope, here.hostname));
  plan.lock = contract.lock;
  plan.checks.push({ name: 'contract', words: `The contract’s text has the hash ${contract.hash.slice(0, 16)}…, and its script and address follow from its three keys.` });
  verifyParties(envelope, plan, here);
  const act = ACTS[envelope.act] ?? refuse('envelope', 'The desk asks for something that this page does not know how to check.');
  act(envelope, plan, here);
  plan.alive = (envelope.alive ?? []).map(String);
  return plan;
}

/** Own key, arbitrator’s record, details, own address: the same for every act of a trade. @param {any} envelope @param {any} plan @param {any} here */
function verifyParties(envelope, plan, here) {
  const { contract } = plan;
  const named = checkOwnKey(envelope, contract);
  plan.own = { role: envelope.role, level: envelope.role === 'arbitrator' ? contract.fields.P : null, index: contract.fields.N, xpub: named.xpub };
  plan.checks.push({ name: 'key', words: `Your key stands in the contract as the ${envelope.role}’s.` });
  const record = checkArbitrator(envelope, contract);
  plan.checks.push({ name: 'record', words: `The arbitrator’s key is one of those in the public record of ${record.name}.` });
  checkReuse(here.store, named.xpub, contract.fields, contract.hash, envelope.act === 'contract');
  plan.details = checkDetails(envelope, contract);
  if (plan.details.payee || plan.details.payer) plan.checks.push({ name: 'details', words: 'The payment details shown are those of the contract.' });
  const typed = typedAddresses(here.store, contract.fields.network);
  const own = ownAddresses(contract.fields, envelope.role);
  plan.askAddresses = own.filter((address) => !typed.includes(address));
  if (own.length > 0 && plan.askAddresses.length === 0) plan.checks.push({ name: 'own-address', words: 'Your own address in the contract is the one you typed on this device.' });
}

/** @type {Record<string, (envelope: any, plan: any, here: any) => void>} */
const ACTS = {
  check(envelope, plan) {
    checkContractSignatures(envelope, plan.contract, ['buyer', 'seller']);
    plan.checks.push({ name: 'signatures', words: 'Both traders signed exactly this contract with the keys that guard the coins.' });
    plan.facts = contractFacts(plan.contract.fields, envelope.method);
    plan.askAddresses = [];
  },
  contract(envelope, plan) {
    const signed = checkContractSignatures(envelope, plan.contract, []);
    if (signed.length > 0) plan.checks.push({ name: 'signatures', words: `Signed so far by: ${signed.join(', ')}.` });
    insist(plan.own.role !== 'arbitrator', 'envelope', 'An arbitrator does not sign contracts.');
    const changes = checkSuperseded(envelope, plan.contract);
    if (plan.contract.fields.supersedes !== null) plan.checks.push({ name: 'superseded', words: `It replaces the contract ${plan.contract.fields.supersedes.slice(0, 16)}… of this trade, and only sums and the time for the deposit differ. That one stays until both have signed.` });
    plan.notice = changeWords(changes, plan.own.role);
    plan.facts = [...changes.map(([label, was, is]) => [`Changed: ${label}`, `${was} → ${is}`]), ...contractFacts(plan.contract.fields, envelope.method), ...detailFacts(plan.details)];
    messageJob(envelope, plan, contractMessage(plan.contract));
  },
  payout(envelope, plan, here) {
    checkContractSignatures(envelope, plan.contract, ['buyer', 'seller']);
    plan.checks.push({ name: 'signatures', words: 'Both traders signed this contract.' });
    const payouts = checkPayouts(envelope, plan.contract);
    plan.checks.push({ name: 'payout', words: 'Every transaction spends exactly this deposit and pays only addresses of the contract, with the agreed amounts and a fee within its limits.' });
    const ruling = envelope.payout.kind === 'ruling' ? readRuling(envelope, plan.contract) : null;
    if (ruling) plan.checks.push({ name: 'ruling', words: 'The arbitrator signed exactly this ruling with the key that guards the coins, and the payout divides them as it says.' });
    plan.notice = otherContract(here.store, plan.own.xpub, plan.contract.fields, plan.contract.hash);
    Object.assign(plan, payoutFacts(envelope, plan.contract, payouts, ruling));
    plan.jobs = payouts.map((one) => one.job);
  },
  ruling(envelope, plan) {
    checkContractSignatures(envelope, plan.contract, ['buyer', 'seller']);
    plan.facts = rulingFacts(readRuling(envelope, plan.contract));
    messageJob(envelope, plan, rulingMessage(envelope.ruling, plan.contract));
  },
};

/**
 * A drill of an arbitrator, or a proof that an account's key is at hand: no contract, and a script of the own key and two that
 * nobody has, so that the signature can move nothing.
 * @param {any} envelope @param {any} plan
 */
function verifyDrill(envelope, plan) {
  const { act, account, key, desk } = envelope;
  insist(key && (act === 'proof' || envelope.role === 'arbitrator'), 'envelope', 'Only an arbitrator has drills.');
  plan.lock = drillLock(key, envelope.network);
  plan.own = { role: 'arbitrator', level: DRILL_LEVEL, index: 0, xpub: key.xpub };
  const opening = `${desk} ${act} ${account} `;
  insist(typeof envelope.message === 'string' && envelope.message.startsWith(opening), 'message', `What the desk asks you to sign is not a ${act} for you at this desk.`);
  plan.checks.push({ name: 'key', words: `The script of this ${act} is made of your key and two that nobody has; no coins can ever be on it.` });
  plan.facts = [['You sign', envelope.message]];
  messageJob(envelope, plan, envelope.message);
  return plan;
}

/** @param {any} envelope @param {any} plan @param {string} message */
function messageJob(envelope, plan, message) {
  insist(envelope.message === message, 'message', 'The message that the desk asks you to sign is not the one this page expects.');
  insist(Array.isArray(envelope.psbts) && envelope.psbts.length > 0, 'psbt', 'The desk did not send anything to sign.');
  plan.jobs = envelope.psbts.map((/** @type {any} */ one) => {
    const tx = parsePsbt(one.base64, 'The message');
    const form = formOf(tx, message, plan.lock);
    checkMessageInput(tx, plan.lock, form);
    return { tx, inputs: [{ index: 0, amount: form.amount }] };
  });
  plan.checks.push({ name: 'message', words: `You sign the message: ${message}` });
}
