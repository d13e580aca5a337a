/** One signature of one key over one input: verified here, never taken from a library's word. */

import { secp256k1 } from '@noble/curves/secp256k1.js';
import { SigHash, Transaction } from '@scure/btc-signer';
import { equalBytes, fromBase64 } from './bytes.js';
import { insist, orRefuse, refuse } from './refusal.js';

const OPTIONS = { lowR: true, strictPrevoutValidation: true, unknown: 'ignore', allowUnknownOutputs: true, allowUnknownVersion: false };
const BASE64_MAX = 400_000;

/** @param {string} text base64 @param {string} name for the words @returns {any} a btc-signer Transaction */
export function parsePsbt(text, name) {
  insist(typeof text === 'string' && text.length <= BASE64_MAX, 'psbt', `${name} is not a transaction this page can read.`);
  return orRefuse('psbt', `${name} is not a transaction this page can read.`, () => Transaction.fromPSBT(fromBase64(text.trim()), OPTIONS));
}

/**
 * SIGHASH_ALL, strict DER, low S, and right for this key and this transaction.
 * @param {any} tx @param {number} input @param {{script: Uint8Array}} lock @param {bigint} amount
 * @param {Uint8Array} pubkey @param {Uint8Array} signature with its sighash byte
 */
export function signatureHolds(tx, input, lock, amount, pubkey, signature) {
  if (signature.at(-1) !== SigHash.ALL) return false;
  const digest = tx.preimageWitnessV0(input, lock.script, SigHash.ALL, amount);
  try {
    return secp256k1.verify(signature.subarray(0, -1), digest, pubkey, { prehash: false, format: 'der', lowS: true });
  } catch {
    return false;
  }
}

/** The signature that a PSBT's input carries for this key, or null. @param {any} tx @param {number} input @param {Uint8Array} pubkey */
export function signatureOf(tx, input, pubkey) {
  const found = (tx.getInput(input).partialSig ?? []).find((/** @type {[Uint8Array, Uint8Array]} */ [key]) => equalBytes(key, pubkey));
  return found ? found[1] : null;
}

/**
 * Signs one input with one private key, SIGHASH_ALL only, and looks at what came out.
 * The input must already have been compared with what it should be.
 * @param {any} tx @param {number} input @param {{script: Uint8Array}} lock @param {bigint} amount @param {import('@scure/bip32').HDKey} key
 */
export function signInput(tx, input, lock, amount, key) {
  if (!key.privateKey) return refuse('key', 'The opened key has no private part.');
  const before = signatureOf(tx, input, key.publicKey);
  if (before && signatureHolds(tx, input, lock, amount, key.publicKey, before)) return;
  tx.signIdx(key.privateKey, input, [SigHash.ALL]);
  const made = signatureOf(tx, input, key.publicKey);
  insist(made && signatureHolds(tx, input, lock, amount, key.publicKey, made), 'signature', 'The signature that was made does not verify, so it is not sent.');
}
