/**
 * Contracts, rulings and drills are signed as messages with the very script that holds the coins, in one of two forms:
 * BIP-322 (`to_sign` spends nothing), or a dry run (the same with 10,000 sat that exist on no chain) for signers that refuse it.
 */

import { OP, Script } from '@scure/btc-signer';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { equalBytes, toHex, utf8 } from './bytes.js';
import { insist } from './refusal.js';
import { parsePsbt, signatureHolds, signatureOf } from './signature.js';

export const DRY_RUN_SAT = 10_000n;
const DRY_RUN_BACK_SAT = 9_800n;

/** BIP-340 tagged hash with BIP-322's tag. @param {string} message */
export function messageHash(message) {
  const tag = sha256(utf8('BIP0322-signed-message'));
  return sha256(concatBytes(tag, tag, utf8(message)));
}

const reversedHex = (/** @type {Uint8Array} */ bytes) => toHex(Uint8Array.from(bytes).reverse());

/** @param {string} message @param {Uint8Array} scriptPubKey @param {bigint} amount */
export function toSpend(message, scriptPubKey, amount) {
  const input = { txid: new Uint8Array(32), index: 0xffffffff, sequence: 0, finalScriptSig: Script.encode([OP.OP_0, messageHash(message)]) };
  const raw = RawOldTx.encode({ version: 0, lockTime: 0, inputs: [input], outputs: [{ amount, script: scriptPubKey }] });
  return { raw, txid: reversedHex(sha256(sha256(raw))) };
}

/**
 * The two transactions, either of which stands for the message.
 * @param {string} message @param {{scriptPubKey: Uint8Array}} lock
 */
export function messageForms(message, lock) {
  insist(/^[\x20-\x7e]+$/u.test(message), 'message', 'The message holds characters that are not printable ASCII.');
  return [
    { name: 'bip322', version: 0, amount: 0n, out: { amount: 0n, script: Uint8Array.of(0x6a) }, spends: toSpend(message, lock.scriptPubKey, 0n) },
    { name: 'dry-run', version: 2, amount: DRY_RUN_SAT, out: { amount: DRY_RUN_BACK_SAT, script: lock.scriptPubKey }, spends: toSpend(message, lock.scriptPubKey, DRY_RUN_SAT) },
  ];
}

/**
 * Which form of the message a PSBT is; refuses one that is neither: it could be a payout in disguise.
 * @param {any} tx @param {string} message @param {{script: Uint8Array, scriptPubKey: Uint8Array}} lock @param {string} [words]
 */
export function formOf(tx, message, lock, words = 'What the desk asks you to sign is not the message it shows.') {
  const form = messageForms(message, lock).find((one) => {
    if (tx.version !== one.version || tx.lockTime !== 0 || tx.inputsLength !== 1 || tx.outputsLength !== 1) return false;
    const [input, output] = [tx.getInput(0), tx.getOutput(0)];
    const same = toHex(input.txid) === one.spends.txid && input.index === 0;
    return same && output.amount === one.out.amount && equalBytes(output.script, one.out.script);
  });
  insist(form, 'message', words);
  return form;
}

/**
 * Refuses unless the PSBT carries this key's signature of this message.
 * @param {string} psbt @param {string} message @param {any} lock @param {Uint8Array} pubkey @param {string} who
 * @param {string} what is signed: the contract or the ruling
 */
export function checkMessageSignature(psbt, message, lock, pubkey, who, what) {
  const tx = parsePsbt(psbt, `The ${who}’s signature`);
  const form = formOf(tx, message, lock, `What the ${who} signed is not this ${what}. Sign nothing and send nothing.`);
  const signature = signatureOf(tx, 0, pubkey);
  insist(signature && signatureHolds(tx, 0, lock, form.amount, pubkey, signature), 'signature', `The ${who}’s signature of the ${what} does not verify.`);
}

/**
 * Refuses a message PSBT whose input says something else than the form does.
 * @param {any} tx @param {any} lock @param {{amount: bigint}} form
 */
export function checkMessageInput(tx, lock, form) {
  const input = tx.getInput(0);
  const funded = input.witnessUtxo && input.witnessUtxo.amount === form.amount && equalBytes(input.witnessUtxo.script, lock.scriptPubKey);
  insist(funded && input.witnessScript && equalBytes(input.witnessScript, lock.script), 'psbt', 'The message the desk sent to sign is not over the script of your escrow.');
  insist(input.sighashType === undefined || input.sighashType === 1, 'psbt', 'The desk asks for a signature that does not cover the whole transaction (its sighash is not ALL).');
}
