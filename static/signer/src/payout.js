/**
 * Payouts: every transaction that is signed is first rebuilt here from the contract and the deposit. What the desk sends
 * decides one thing only, the miner fee, and that within limits; all else must come out the same to the last bit.
 */

import { RawOldTx } from '@scure/btc-signer/script.js';
import { compareBytes } from '@scure/btc-signer/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { equalBytes, fromHex, toHex } from './bytes.js';
import { divideAt, feeLimits, vbytesOf, weight } from './division.js';
import { readSignedRuling } from './ruling.js';
import { parsePsbt } from './signature.js';
import { PAYOUT_NAMES } from './words.js';
import { insist } from './refusal.js';

const SEQUENCE = 0xfffffffd;
const INPUTS_MAX = 10;
const STEPS_MAX = 3;

/** @typedef {{txid: string, vout: number, amount: bigint}} Coin */
/** @typedef {{step: number, txid: string, fee: bigint, outputs: import('./division.js').Output[], job: import('./verify.js').Job}} CheckedPayout */

/**
 * Refuses unless every PSBT is this payout of this deposit under this contract.
 * @param {any} envelope @param {import('./contract.js').Contract} contract @returns {CheckedPayout[]}
 */
export function checkPayouts(envelope, contract) {
  const kind = readKind(envelope, contract);
  const coins = readCoins(envelope.funding, contract.lock);
  const given = envelope.psbts;
  insist(Array.isArray(given) && given.length > 0 && given.length <= STEPS_MAX, 'psbt', 'The desk did not send anything to sign.');
  const payouts = given.map((one) => checkOne(one, kind, coins, contract));
  insist(new Set(payouts.map((one) => one.txid)).size === payouts.length, 'psbt', 'The desk sent the same transaction twice.');
  return payouts;
}

/** What the payout is for; the parts of a ruling come from the text that the arbitrator signed. @param {any} envelope @param {import('./contract.js').Contract} contract */
function readKind(envelope, contract) {
  const { kind, buyer_sat = 0, seller_sat = 0 } = envelope.payout ?? {};
  insist(Object.hasOwn(PAYOUT_NAMES, kind), 'payout', 'The desk did not say what this payout is for.');
  insist([buyer_sat, seller_sat].every((part) => Number.isSafeInteger(part) && part >= 0), 'payout', 'The parts of this payout are not amounts.');
  if (kind === 'ruling') {
    const ruling = readSignedRuling(envelope, contract);
    insist(ruling.buyer_sat === buyer_sat && ruling.seller_sat === seller_sat, 'ruling', 'This payout does not divide the coins as the ruling says.');
  }
  return { kind, buyer: BigInt(buyer_sat), seller: BigInt(seller_sat) };
}

/** @param {any} funding @param {import('./lock.js').Lock} lock @returns {Coin[]} in BIP-69 order */
function readCoins(funding, lock) {
  const words = 'The deposit that the desk names is not a deposit of this escrow.';
  insist(Array.isArray(funding) && funding.length > 0 && funding.length <= INPUTS_MAX, 'payout', words);
  const coins = funding.map(({ outpoint, sat, script_hex }) => {
    const found = /^([0-9a-f]{64}):(0|[1-9][0-9]{0,8})$/u.exec(outpoint);
    insist(found && Number.isSafeInteger(sat) && sat > 0 && sat <= 21e14, 'payout', words);
    insist(script_hex === toHex(lock.scriptPubKey), 'payout', words);
    return { txid: /** @type {any} */ (found)[1], vout: Number(/** @type {any} */ (found)[2]), amount: BigInt(sat) };
  });
  insist(new Set(funding.map((one) => one.outpoint)).size === coins.length, 'payout', words);
  return coins.sort((a, b) => (a.txid === b.txid ? a.vout - b.vout : a.txid < b.txid ? -1 : 1));
}

/** The canonical transaction: version 2, locktime 0, BIP-69 order. @param {Coin[]} coins @param {import('./division.js').Output[]} outputs */
export function unsignedPayout(coins, outputs) {
  const byValue = [...outputs].sort((a, b) => (a.amount === b.amount ? compareBytes(a.script, b.script) : a.amount < b.amount ? -1 : 1));
  return RawOldTx.encode({
    version: 2,
    lockTime: 0,
    inputs: coins.map(({ txid, vout }) => ({ txid: fromHex(txid), index: vout, sequence: SEQUENCE, finalScriptSig: new Uint8Array() })),
    outputs: byValue.map(({ amount, script }) => ({ amount, script })),
  });
}

/** @param {any} given @param {import('./division.js').Kind} kind @param {Coin[]} coins @param {import('./contract.js').Contract} contract @returns {CheckedPayout} */
function checkOne(given, kind, coins, contract) {
  const { lock, terms } = contract;
  const tx = parsePsbt(given.base64, 'The transaction to sign');
  const scripts = [...Array(tx.outputsLength).keys()].map((place) => tx.getOutput(place));
  const total = coins.reduce((sum, coin) => sum + coin.amount, 0n);
  const fee = scripts.reduce((left, output) => left - output.amount, total);
  const vbytes = vbytesOf(weight(coins.length, scripts.map((output) => output.script)));
  insist(tx.inputsLength === coins.length, 'payout', 'This transaction does not spend exactly the deposit of this trade.');
  checkInputs(tx, coins, lock);
  const known = Object.values(terms.to).flatMap((one) => (one ? [one.script] : []));
  insist(scripts.every((output) => known.some((script) => equalBytes(script, output.script))), 'payout', 'This transaction pays to an address that is not in the contract.');
  const { least, most } = feeLimits(vbytes, total, terms.feeCap);
  insist(fee >= least && fee <= most, 'fee', `This transaction pays ${fee} sat to miners; between ${least} and ${most} sat are allowed.`);
  const outputs = divideAt(terms, kind, total, coins.length, fee, vbytes);
  insist(equalBytes(unsignedPayout(coins, outputs), tx.unsignedTx), 'payout', 'This transaction is not the payout that the contract gives: an amount or its form differs.');
  const txid = toHex(sha256(sha256(tx.unsignedTx)).reverse());
  insist(!given.txid || given.txid === txid, 'psbt', 'The transaction’s name and its content do not belong together.');
  return { step: given.step, txid, fee, outputs, job: { tx, inputs: coins.map((coin, index) => ({ index, amount: coin.amount })) } };
}

/**
 * What the PSBT says about its inputs must be what they are. The deposit's own transaction may be missing, for it can be of any length:
 * a signature commits to amount and script (BIP-143), so over another amount than the deposit's it is worth nothing.
 * @param {any} tx @param {Coin[]} coins @param {import('./lock.js').Lock} lock
 */
function checkInputs(tx, coins, lock) {
  coins.forEach((coin, place) => {
    const input = tx.getInput(place);
    insist(toHex(input.txid) === coin.txid && input.index === coin.vout, 'payout', 'This transaction does not spend exactly the deposit of this trade.');
    const held = input.witnessUtxo && input.witnessUtxo.amount === coin.amount && equalBytes(input.witnessUtxo.script, lock.scriptPubKey);
    insist(held && input.witnessScript && equalBytes(input.witnessScript, lock.script), 'payout', 'This transaction says something else about the deposit than the desk does.');
    insist(input.sighashType === undefined || input.sighashType === 1, 'psbt', 'The desk asks for a signature that does not cover the whole transaction (its sighash is not ALL).');
  });
}
