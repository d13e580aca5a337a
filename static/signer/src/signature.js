/** One signature of one key over one input: verified here, never taken from a library's word. */

import { secp256k1 } from '@noble/curves/secp256k1.js';
import { SigHash, Transaction } from '@scure/btc-signer';
import { equalBytes, fromBase64 } from './bytes.js';
import { insist, orRefuse, refuse } from './refusal.js';

/** Not `strictPrevoutValidation`: it wants each input's previous transaction, and there are inputs that come without it. */
const OPTIONS = { lowR: true, unknown: 'ignore', allowUnknownOutputs: true, allowUnknownVersion: false };
/** As many as are signed at once, three, fit into a form of the desk, which takes 12 MiB. */
const BASE64_CHARS_MAX = 4_000_000;

/**
 * A previous transaction that stands in the PSBT must be the one that the input spends, and its output what `witnessUtxo` says.
 * @param {string} text base64 @param {string} name for the words @returns {any} a btc-signer Transaction
 */
export function parsePsbt(text, name) {
  const words = `${name} is not a transaction this page can read.`;
  insist(typeof text === 'string' && text.length <= BASE64_CHARS_MAX, 'psbt', words);
  return orRefuse('psbt', words, () => withoutPrevious(Transaction.fromPSBT(fromBase64(text.trim()), OPTIONS)));
}

/**
 * Leaves the previous transactions out once reading has compared them. Whoever paid the deposit made them as long as they liked,
 * a signature needs only amount and script (BIP-143), and the desk takes nothing but signatures from what goes back.
 * @param {any} tx
 */
function withoutPrevious(tx) {
  for (let place = 0; place < tx.inputsLength; place += 1) tx.updateInput(place, { nonWitnessUtxo: undefined }, true);
  return tx;
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
