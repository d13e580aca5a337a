/** What is about to be signed, in words: labels and values for the page. */

import { hoursFacts } from './hours.js';
import { btc, fiat, grouped, moment, PAYOUT_NAMES, rowsOf } from './words.js';

/** @typedef {[string, string][]} Facts */

/** Details that the reader may see, as they stand behind their hash. @param {{payee: any, payer: any}|null} details @returns {Facts} */
export function detailFacts(details) {
  const rows = (/** @type {any} */ one, /** @type {string} */ name) => (one ? rowsOf(one.fields ?? one).map(([label, value]) => [`${name}: ${label}`, value]) : []);
  return /** @type {Facts} */ ([...rows(details?.payee, 'Payment to'), ...rows(details?.payer, 'Payment from')]);
}

/** The fee step an own wallet signs, shown first. */
const USUAL_STEP = 2;

/** @param {any} fields @param {unknown} [method] the desk's name for the way to pay; the contract has a short word for it @returns {Facts} */
export function contractFacts(fields, method) {
  const money = (/** @type {number} */ sat) => btc(sat);
  const { buyer, seller } = fields.desk_fee_sat;
  /** @type {Facts} */
  const facts = [
    ['Trade', fields.trade],
    ['Buyer', fields.buyer],
    ['Seller', fields.seller],
    ['Bitcoin traded', money(fields.amount_sat)],
    ['Deposit asked of the seller', money(fields.deposit_sat)],
    ['The buyer pays', `${fiat(fields.fiat, fields.currency)} by ${method ? `${method} (in the contract: ${fields.method})` : fields.method}`],
    ['Price of one bitcoin', fiat(fields.price, fields.currency)],
    ['Reference of the payment', fields.reference],
    ['On release, to the buyer', `${money(fields.amount_sat - buyer)} less the miner fee, to\n${grouped(fields.payouts.release[0].address)}`],
    ['On refund, to the seller', `${money(fields.deposit_sat)} less the miner fee, to\n${grouped(fields.payouts.refund[0].address)}`],
    ['Miner fee at most', money(fields.fee_cap_sat)],
    ['Desk fee', buyer + seller === 0 ? 'none' : `${money(buyer + seller)} (buyer ${buyer === 0 ? 'none' : money(buyer)}, seller ${seller === 0 ? 'none' : money(seller)})`],
    ['Arbitrator’s fee, only after a ruling', fields.arbitrator_fee_sat === 0 ? 'none' : money(fields.arbitrator_fee_sat)],
    ['Sign by', moment(fields.sign_by)],
    ...hoursFacts(fields.hours),
  ];
  if (fields.terms?.length) facts.push(['Terms', fields.terms.join('\n')]);
  return facts;
}

/** @typedef {{title: string, usual: boolean, facts: Facts}} StepFacts one of several transactions, of which one can be used */

/** @param {import('./payout.js').CheckedPayout} payout @returns {Facts} */
const factsOf = ({ outputs, fee, txid }) => [
  ...outputs.map(({ to, address, amount }) => /** @type {[string, string]} */ ([`To the ${to}`, `${btc(amount)}\n${grouped(address)}`])),
  ['Miner fee', btc(fee)],
  ['Transaction', txid],
];

/**
 * What a payout does. One transaction stands among the facts; several, which differ in the miner fee, are steps of their own.
 * @param {any} envelope @param {import('./contract.js').Contract} contract @param {import('./payout.js').CheckedPayout[]} payouts
 * @param {any} ruling that it follows, or null
 * @returns {{facts: Facts, steps: StepFacts[]}}
 */
export function payoutFacts(envelope, contract, payouts, ruling) {
  /** @type {Facts} */
  const facts = [['You sign', PAYOUT_NAMES[envelope.payout.kind]], ['Trade', contract.fields.trade], ...(ruling ? rulingFacts(ruling) : [])];
  if (envelope.payout.kind === 'stray') facts.push(...strayFacts(envelope.funding));
  if (payouts.length === 1) return { facts: [...facts, ...factsOf(payouts[0])], steps: [] };
  facts.push(['Miner fee', `${payouts.length} versions with different fees are signed; only one of them can ever be used.`]);
  const usual = payouts.find(({ step }) => step === USUAL_STEP) ?? payouts[0];
  const steps = payouts.map((one) => ({ title: `With fee ×${one.step}: ${btc(one.fee)} to the miners`, usual: one === usual, facts: factsOf(one) }));
  return { facts, steps };
}

/** Which coins a stray's refund spends, so that a person can see that they are not the deposit. @param {any[]} funding as checked @returns {Facts} */
const strayFacts = (funding) => funding.map(({ outpoint, sat }) => ['Coins that go back', `${btc(sat)}\n${outpoint}`]);

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
