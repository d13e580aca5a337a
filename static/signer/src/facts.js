/** What is about to be signed, in words: labels and values for the page. */

import { btc, grouped, PAYOUT_NAMES, rowsOf } from './words.js';

/** @typedef {[string, string][]} Facts */

/** Details that the reader may see, as they stand behind their hash. @param {{payee: any, payer: any}|null} details @returns {Facts} */
export function detailFacts(details) {
  const rows = (/** @type {any} */ one, /** @type {string} */ name) => (one ? rowsOf(one.fields ?? one).map(([label, value]) => [`${name}: ${label}`, value]) : []);
  return /** @type {Facts} */ ([...rows(details?.payee, 'Payment to'), ...rows(details?.payer, 'Payment from')]);
}

/** @param {any} fields @returns {Facts} */
export function contractFacts(fields) {
  const money = (/** @type {number} */ sat) => btc(sat);
  const { buyer, seller } = fields.desk_fee_sat;
  /** @type {Facts} */
  const facts = [
    ['Trade', fields.trade],
    ['Buyer', fields.buyer],
    ['Seller', fields.seller],
    ['Bitcoin traded', money(fields.amount_sat)],
    ['Deposit asked of the seller', money(fields.deposit_sat)],
    ['The buyer pays', `${fields.fiat} ${fields.currency} by ${fields.method}`],
    ['Price of one bitcoin', `${fields.price} ${fields.currency}`],
    ['Reference of the payment', fields.reference],
    ['On release, to the buyer', `${money(fields.amount_sat - buyer)} less the miner fee, at ${grouped(fields.payouts.release[0].address)}`],
    ['On refund, to the seller', `${money(fields.deposit_sat)} less the miner fee, at ${grouped(fields.payouts.refund[0].address)}`],
    ['Miner fee at most', money(fields.fee_cap_sat)],
    ['Desk fee', buyer + seller === 0 ? 'none' : `${money(buyer + seller)} (buyer ${money(buyer)}, seller ${money(seller)})`],
    ['Arbitrator’s fee, only after a ruling', fields.arbitrator_fee_sat === 0 ? 'none' : money(fields.arbitrator_fee_sat)],
    ['Sign by', fields.sign_by],
  ];
  if (fields.terms?.length) facts.push(['Terms', fields.terms.join('\n')]);
  return facts;
}

/** @param {any} envelope @param {import('./contract.js').Contract} contract @param {import('./payout.js').CheckedPayout[]} payouts @returns {Facts} */
export function payoutFacts(envelope, contract, payouts) {
  /** @type {Facts} */
  const facts = [['You sign', PAYOUT_NAMES[envelope.payout.kind]], ['Trade', contract.fields.trade]];
  for (const { step, outputs, fee, txid } of payouts) {
    const name = payouts.length > 1 ? `Fee step ×${step}: ` : '';
    for (const { to, address, amount } of outputs) facts.push([`${name}to the ${to}`, `${btc(amount)} at ${grouped(address)}`]);
    facts.push([`${name}miner fee`, btc(fee)], [`${name}transaction`, txid]);
  }
  return facts;
}

/** @param {any} ruling @returns {Facts} */
export function rulingFacts(ruling) {
  return [
    ['To the buyer, before fees', btc(ruling.buyer_sat)],
    ['To the seller, before fees', btc(ruling.seller_sat)],
    ['Facts found', ruling.facts.join('\n')],
    ['Reasons', ruling.reasons.join('\n')],
    ['Evidence', ruling.evidence.length === 0 ? 'none' : ruling.evidence.join('\n')],
  ];
}
