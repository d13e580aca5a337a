/** Uses the key: once per signing, for exactly what was checked, and then forgets it. */

import { deriveWiping } from './mnemonic.js';
import { openKeyFile } from './keyfile.js';
import { rememberUse } from './memory.js';
import { equalBytes, toBase64 } from './bytes.js';
import { signInput } from './signature.js';
import { verify } from './verify.js';
import { insist } from './refusal.js';

/** The key at its place in this escrow. @param {import('@scure/bip32').HDKey} account @param {{level: number|null, index: number}} own */
export function escrowKey(account, own) {
  return deriveWiping(account, own.level === null ? [0, own.index] : [own.level, 0, own.index]);
}

/**
 * Checks all over again, opens the key, signs, wipes. Returns the PSBTs as base64, in the order given.
 * @param {any} envelope @param {{hostname: string, store: import('./memory.js').Store}} here @param {string} passphrase
 * @returns {Promise<string[]>}
 */
export async function signEnvelope(envelope, here, passphrase) {
  const plan = verify(envelope, here);
  insist(plan.own && plan.lock && plan.jobs.length > 0, 'envelope', 'There is nothing to sign here.');
  insist(envelope.key?.file, 'file', 'Your key is not kept by this desk: sign with your own wallet.');
  const opened = await openKeyFile(envelope.key.file, passphrase);
  const key = escrowKey(opened.account, plan.own);
  try {
    insist(equalBytes(key.publicKey, plan.lock.pubkeys[plan.own.role]), 'key', 'The key that was opened is not the one in this contract, so nothing was signed.');
    for (const job of plan.jobs) for (const { index, amount } of job.inputs) signInput(job.tx, index, plan.lock, amount, key);
  } finally {
    key.wipePrivateData();
    opened.account.wipePrivateData();
    opened.words = '';
  }
  if (plan.contract) rememberUse(here.store, plan.own.xpub, plan.contract.fields, plan.contract.hash);
  return plan.jobs.map((job) => toBase64(job.tx.toPSBT(0)));
}
