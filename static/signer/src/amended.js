/** A contract that supersedes another: what it may change, and what it changes in words. */

import { btc } from './words.js';
import { canonical, parseCanonical } from './canonical.js';
import { sha256Hex } from './bytes.js';
import { insist } from './refusal.js';

/** What an amended contract may change. Keys, escrow, price, addresses and everything else stay. */
const CHANGING = ['amount_sat', 'arbitrator_fee_sat', 'created', 'deposit_sat', 'desk_fee_sat', 'fee_cap_sat', 'fiat', 'payouts', 'sign_by', 'supersedes', 'windows'];
/** The buyer waives at most a twentieth of the amount; more is another price. */
const WAIVED_PARTS = 20n;

/** @param {any} fields what must stay as it was */
function staying(fields) {
  const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !CHANGING.includes(name)));
  const { deposit, ...windows } = fields.windows;
  return canonical({ ...rest, windows });
}

/** @param {any[]} entries @param {string} to */
const addressOf = (entries, to) => entries.find((entry) => entry.to === to)?.address ?? null;

/** A decimal as a whole number and the number of its decimals. @param {string} text @returns {[bigint, bigint]} */
function decimal(text) {
  insist(/^\d{1,20}(\.\d{1,8})?$/u.test(text), 'contract', 'The contract holds a sum that is not a plain number.');
  const [whole, part = ''] = text.split('.');
  return [BigInt(whole + part), 10n ** BigInt(part.length)];
}

/** What a sum of money buys at a price, rounded down to the satoshi. @param {string} fiat @param {string} price */
function bought(fiat, price) {
  const [[money, moneyParts], [rate, rateParts]] = [decimal(fiat), decimal(price)];
  return rate === 0n ? 0n : (money * 100_000_000n * rateParts) / (rate * moneyParts);
}

/**
 * Refuses a contract that says it supersedes another unless that one was sent along, and only sums and the deposit window differ.
 * What changes comes out in words: label, before, after.
 * @param {any} envelope @param {import('./contract.js').Contract} contract @returns {[string, string, string][]}
 */
export function checkSuperseded(envelope, contract) {
  const { fields } = contract;
  if (fields.supersedes === null) return [];
  insist(typeof envelope.superseded === 'string' && sha256Hex(envelope.superseded) === fields.supersedes, 'contract', 'This contract replaces another one, which the desk did not send, so the change cannot be checked.');
  const before = parseCanonical(envelope.superseded, 'contract that is replaced');
  insist(staying(before) === staying(fields), 'contract', 'The changed contract changes more than sums and the time for the deposit. Sign nothing.');
  checkAddresses(before.payouts, fields.payouts);
  checkSums(before, fields);
  const hours = (/** @type {any} */ one) => `${one.windows.deposit} minutes`;
  const fee = (/** @type {any} */ one) => btc(one.desk_fee_sat.buyer + one.desk_fee_sat.seller);
  const lines = /** @type {[string, string, string][]} */ ([
    ['The buyer pays', `${before.fiat} ${before.currency}`, `${fields.fiat} ${fields.currency}`],
    ['Bitcoin traded', btc(before.amount_sat), btc(fields.amount_sat)],
    ['Deposit asked of the seller', btc(before.deposit_sat), btc(fields.deposit_sat)],
    ['Desk fee', fee(before), fee(fields)],
    ['Time for the deposit', hours(before), hours(fields)],
  ]);
  return lines.filter(([, was, is]) => was !== is);
}

/** @param {any} before @param {any} after */
function checkAddresses(before, after) {
  const same = addressOf(before.release, 'buyer') === addressOf(after.release, 'buyer') && addressOf(before.refund, 'seller') === addressOf(after.refund, 'seller');
  const desk = addressOf(after.release, 'desk');
  const fees = (desk === null || desk === addressOf(before.release, 'desk')) && (after.arbitrator === null || after.arbitrator === before.arbitrator);
  insist(same && fees, 'address', 'The changed contract pays other addresses than the one that you signed. Sign nothing.');
}

/** Nobody pays a higher price or a higher rate of fees than was agreed, but for what the buyer waives. @param {any} before @param {any} after */
function checkSums(before, after) {
  const [was, is] = [before.amount_sat, after.amount_sat].map(BigInt);
  const [[paid, paidParts], [pays, paysParts]] = [before.fiat, after.fiat].map(decimal);
  insist(is <= was && paysParts === paidParts && pays <= paid && after.windows.deposit >= before.windows.deposit && after.fee_cap_sat <= before.fee_cap_sat, 'contract', 'The changed contract asks for more than the one that you signed.');
  const waived = pays === paid && is >= was - was / WAIVED_PARTS;
  insist(waived || is === bought(after.fiat, after.price), 'contract', 'The changed contract has another price than the one that you signed.');
  for (const one of ['buyer', 'seller']) {
    insist(BigInt(after.desk_fee_sat[one]) * was <= BigInt(before.desk_fee_sat[one]) * is, 'contract', 'The changed contract has a higher fee than the one that you signed.');
  }
  insist(BigInt(after.arbitrator_fee_sat) * was <= BigInt(before.arbitrator_fee_sat) * is, 'contract', 'The changed contract has a higher fee than the one that you signed.');
}

/** What the change means for this person, where it costs something. @param {[string, string, string][]} changes @param {string} role */
export function changeWords(changes, role) {
  const labels = changes.map(([label]) => label);
  if (!labels.includes('Bitcoin traded') || labels.includes('The buyer pays')) return '';
  return role === 'buyer' ? 'You pay the same money and get fewer coins: what is missing is your loss.' : 'The buyer pays the same money for fewer coins.';
}
