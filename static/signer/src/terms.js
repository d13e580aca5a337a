/** The contract's amounts and addresses: that they follow from each other, and who is paid where. */

import { Address, OutScript } from '@scure/btc-signer';
import { canonical } from './canonical.js';
import { network } from './network.js';
import { toHex } from './bytes.js';
import { insist, orRefuse } from './refusal.js';

export const DUST_SAT = 546n;
/** No transaction of a trade pays miners more than this, whatever the contract says: 0.01 BTC. */
export const FEE_MAX_SAT = 1_000_000n;
const ARBITRATOR_FEE_PARTS = 50n;
const DESK_FEE_PARTS = 20n;
const PAYABLE = ['pkh', 'sh', 'wpkh', 'wsh', 'tr'];

/** The script that an address pays to. @param {string} address @param {string} networkName @returns {Uint8Array} */
export function scriptOf(address, networkName) {
  const words = `“${address}” is not an address that a trade on this network can pay to.`;
  const decoded = orRefuse('address', words, () => Address(network(networkName).address).decode(address));
  insist(PAYABLE.includes(decoded.type), 'address', words);
  // An address of taproot may hold a key that is no point of the curve; nobody could ever spend what it is paid.
  return orRefuse('address', words, () => OutScript.encode(decoded));
}

/** @param {any} value @returns {bigint} */
function sat(value) {
  insist(Number.isSafeInteger(value) && value >= 0 && value <= 21e14, 'contract', 'The contract holds an amount that is not a number of satoshis.');
  return BigInt(value);
}

/**
 * @typedef {object} Terms
 * @property {bigint} amount @property {bigint} deposit @property {{buyer: bigint, seller: bigint}} fees @property {bigint} deskFee
 * @property {bigint} arbitratorFee @property {bigint} feeCap
 * @property {Record<string, {address: string, script: Uint8Array}|null>} to buyer, seller, desk, arbitrator
 */

/**
 * Reads the money of a contract. Refuses amounts and entries that do not follow from each other, and addresses that cannot stand there.
 * @param {any} fields @param {string} escrowAddress @returns {Terms}
 */
export function readTerms(fields, escrowAddress) {
  const fees = { buyer: sat(fields.desk_fee_sat?.buyer), seller: sat(fields.desk_fee_sat?.seller) };
  const [amount, deposit, arbitratorFee, feeCap] = [fields.amount_sat, fields.deposit_sat, fields.arbitrator_fee_sat, fields.fee_cap_sat].map(sat);
  const deskFee = fees.buyer + fees.seller;
  const fair = deposit === amount + fees.seller && deskFee <= amount / DESK_FEE_PARTS && arbitratorFee <= amount / ARBITRATOR_FEE_PARTS;
  insist(fair && feeCap > 0n && feeCap <= FEE_MAX_SAT, 'contract', 'The contract’s amounts and fees do not fit together.');
  const { release, refund, arbitrator } = fields.payouts ?? {};
  const expected = {
    arbitrator: arbitratorFee > 0n ? (arbitrator ?? '') : null,
    refund: [{ address: refund?.[0]?.address ?? '', bears_fee: true, sat: Number(deposit), to: 'seller' }],
    release: [{ address: release?.[0]?.address ?? '', bears_fee: true, sat: Number(amount - fees.buyer), to: 'buyer' }],
  };
  if (deskFee > 0n) expected.release.push({ address: release?.[1]?.address ?? '', bears_fee: false, sat: Number(deskFee), to: 'desk' });
  insist(canonical(fields.payouts) === canonical(expected), 'contract', 'The contract’s payouts do not follow from its amounts.');
  insist(arbitrator === null || typeof arbitrator === 'string', 'contract', 'The contract’s payouts do not follow from its amounts.');
  const entry = (/** @type {string|null|undefined} */ address) => (address ? { address, script: scriptOf(address, fields.network) } : null);
  const to = { buyer: entry(release[0].address), seller: entry(refund[0].address), desk: entry(release[1]?.address), arbitrator: entry(arbitrator) };
  const scripts = [escrowAddress, ...Object.values(to).flatMap((one) => (one ? [one.address] : []))].map((one) => toHex(scriptOf(one, fields.network)));
  insist(to.buyer && to.seller && new Set(scripts).size === scripts.length, 'address', 'Two of the contract’s addresses are the same, or one is missing.');
  return { amount, deposit, fees, deskFee, arbitratorFee, feeCap, to };
}

/** The addresses in the contract that must be this person's own. @param {any} fields @param {string} role @returns {string[]} */
export function ownAddresses(fields, role) {
  if (role === 'buyer') return [fields.payouts.release[0].address];
  if (role === 'seller') return [fields.payouts.refund[0].address];
  return [];
}
