/**
 * Who gets how much of what the inputs hold (protocol §7), in bigint satoshis; the same arithmetic as the desk's.
 *
 * The surplus is what the inputs hold above the contract's deposit, the divisible sum is the rest; a release gives the buyer all
 * of it. The desk's fee comes from the buyer's part in proportion. What further inputs and an output for the surplus cost is paid
 * from the surplus as far as it reaches; the rest of the miner fee, and a ruling's arbitrator fee, are borne in proportion to the
 * parts. A part that ends below 546 sat goes to the other trader, so small a surplus stays with the buyer. Divisions round down.
 */

import { DUST_SAT, FEE_MAX_SAT } from './terms.js';
import { refuse } from './refusal.js';

/** Version, lock time, both counts and the witness marker, in weight units. */
const OVERHEAD_WU = 42n;
/** A 2-of-3 P2WSH input with two signatures of 72 bytes. */
const INPUT_WU = 418n;
const PAYEES = ['buyer', 'seller', 'desk', 'arbitrator'];

/** @typedef {{to: string, address: string, script: Uint8Array, amount: bigint}} Output */
/** @typedef {{kind: string, buyer: bigint, seller: bigint}} Kind parts before fees, for settlements and rulings */
/** @typedef {{terms: import('./terms.js').Terms, total: bigint, inputs: number, divisible: bigint, arbitratorFee: bigint}} Pot */

const min = (/** @type {bigint} */ a, /** @type {bigint} */ b) => (a < b ? a : b);
const max = (/** @type {bigint} */ a, /** @type {bigint} */ b) => (a > b ? a : b);
/** ⌊amount × part / whole⌋, never more than the amount. @param {bigint} amount @param {bigint} part @param {bigint} whole */
const proportion = (amount, part, whole) => (part >= whole ? amount : (amount * part) / whole);
const tooLittle = () => refuse('payout', 'After miner fees there is too little left to be paid out.');

/** @param {number} inputs @param {Uint8Array[]} scripts */
export function weight(inputs, scripts) {
  return scripts.reduce((sum, script) => sum + 4n * (9n + BigInt(script.length)), OVERHEAD_WU + INPUT_WU * BigInt(inputs));
}

/** @param {bigint} wu */
export const vbytesOf = (wu) => (wu + 3n) / 4n;

/** What a payout of this size may pay to miners. @param {bigint} vbytes @param {bigint} total @param {bigint} cap */
export function feeLimits(vbytes, total, cap) {
  const most = min(min(cap, total / 11n), FEE_MAX_SAT);
  return { least: vbytes, most: max(most, vbytes) };
}

/**
 * Divides at a known fee: what a payout of `vbytes` that pays `fee` must look like.
 * @param {import('./terms.js').Terms} terms @param {Kind} kind @param {bigint} total @param {number} inputs @param {bigint} fee @param {bigint} vbytes
 * @returns {Output[]}
 */
export function divideAt(terms, kind, total, inputs, fee, vbytes) {
  // A plan that was passed over when building was dust at its own fee, which was not above this.
  const feeOf = (/** @type {bigint} */ other) => (other === vbytes ? fee : max((fee * other + vbytes - 1n) / vbytes, fee));
  return divide(terms, kind, total, inputs, feeOf);
}

/**
 * @param {import('./terms.js').Terms} terms @param {Kind} kind @param {bigint} total @param {number} inputs @param {(vbytes: bigint) => bigint} feeOf
 * @returns {Output[]}
 */
export function divide(terms, kind, total, inputs, feeOf) {
  const divisible = min(terms.deposit, total);
  const pot = { terms, total, inputs, divisible, arbitratorFee: kind.kind === 'ruling' ? terms.arbitratorFee : 0n };
  const surplus = total - divisible;
  if (kind.kind === 'refund' || kind.kind === 'stray') return refund(pot, feeOf);
  let plan = { buyer: kind.buyer, seller: kind.seller, surplusOutput: surplus > 0n };
  if (kind.kind === 'release') {
    if (total < terms.deposit) refuse('payout', 'There is less in the escrow than was agreed, so it cannot be released in full.');
    plan = wholeTo('buyer', pot);
  } else if (plan.buyer + plan.seller !== divisible) refuse('payout', 'The two parts do not come to what is in the escrow.');
  for (let round = 0; round < 4; round += 1) {
    const { outputs, dust } = carryOut(plan, pot, feeOf);
    if (outputs) return outputs;
    if (dust === 'buyer' && plan.buyer > 0n && plan.seller > 0n) plan = wholeTo('seller', pot);
    else if (dust === 'seller' && plan.buyer > 0n && plan.seller > 0n) plan = wholeTo('buyer', pot);
    else if (dust === 'seller' && plan.surplusOutput) plan.surplusOutput = false;
    else break;
  }
  return tooLittle();
}

/** @param {string} who @param {Pot} pot */
function wholeTo(who, pot) {
  if (who === 'buyer') return { buyer: pot.divisible, seller: 0n, surplusOutput: pot.total > pot.divisible };
  return { buyer: 0n, seller: pot.divisible, surplusOutput: false };
}

/** @param {Pot} pot @param {(vbytes: bigint) => bigint} feeOf @returns {Output[]} */
function refund(pot, feeOf) {
  const seller = /** @type {any} */ (pot.terms.to.seller);
  const amount = pot.total - feeOf(vbytesOf(weight(pot.inputs, [seller.script])));
  return amount < DUST_SAT ? tooLittle() : [{ to: 'seller', ...seller, amount }];
}

/**
 * @param {{buyer: bigint, seller: bigint, surplusOutput: boolean}} plan @param {Pot} pot @param {(vbytes: bigint) => bigint} feeOf
 * @returns {{outputs?: Output[], dust?: string}}
 */
function carryOut(plan, pot, feeOf) {
  const { terms } = pot;
  const share = proportion(terms.deskFee, plan.buyer, terms.deposit);
  const desk = share < DUST_SAT ? 0n : share;
  const hasBuyer = plan.buyer > 0n;
  const hasSeller = plan.seller > 0n || plan.surplusOutput;
  const scripts = (/** @type {boolean} */ withSeller) =>
    [[hasBuyer, 'buyer'], [withSeller, 'seller'], [desk > 0n, 'desk'], [pot.arbitratorFee > 0n, 'arbitrator']]
      .flatMap(([there, who]) => { const to = terms.to[String(who)]; return there && to ? [to.script] : []; });
  const full = weight(pot.inputs, scripts(hasSeller));
  const smaller = weight(1, scripts(hasSeller && plan.seller > 0n));
  const fee = feeOf(vbytesOf(full));
  const surplus = pot.total - pot.divisible;
  const ofSurplus = min(fee - proportion(fee, smaller, full), surplus);
  const miners = borne(plan, pot, fee - ofSurplus);
  const arbitrators = borne(plan, pot, pot.arbitratorFee);
  let buyer = plan.buyer - desk - miners.buyer - arbitrators.buyer;
  let seller = plan.seller - miners.seller - arbitrators.seller;
  if (buyer < 0n) return { dust: 'buyer' };
  if (seller < 0n) return { dust: 'seller' };
  if (hasSeller) seller += surplus - ofSurplus;
  else buyer += surplus - ofSurplus;
  if (hasBuyer && buyer < DUST_SAT) return { dust: 'buyer' };
  if (hasSeller && seller < DUST_SAT) return { dust: 'seller' };
  const amounts = { buyer: hasBuyer ? buyer : 0n, seller: hasSeller ? seller : 0n, desk, arbitrator: pot.arbitratorFee };
  const outputs = PAYEES.filter((who) => amounts[who] > 0n).map((to) => ({ to, .../** @type {any} */ (terms.to[to] ?? tooLittle()), amount: amounts[to] }));
  return { outputs };
}

/** What buyer and seller bear of a fee; the smaller part bears what rounding leaves. @param {{buyer: bigint, seller: bigint}} plan @param {Pot} pot @param {bigint} fee */
function borne(plan, pot, fee) {
  if (plan.buyer >= plan.seller) {
    const buyer = proportion(fee, plan.buyer, pot.divisible);
    return { buyer, seller: fee - buyer };
  }
  const seller = proportion(fee, plan.seller, pot.divisible);
  return { buyer: fee - seller, seller };
}
