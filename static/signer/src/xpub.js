/** Account public keys with their origin: `[fingerprint/48'/coin'/account'/2']xpub`. */

import { HDKey } from '@scure/bip32';
import { base58check } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { equalBytes } from './bytes.js';
import { insist, orRefuse, refuse } from './refusal.js';
import { network } from './network.js';

const coder = base58check(sha256);
const ORIGIN = /^\[([0-9a-f]{8})\/48'\/([01])'\/(0|[1-9][0-9]{0,9})'\/2'(?:\/(0|[1-9][0-9]{0,3}))?\]$/u;

/**
 * @param {string} origin
 * @returns {{fingerprint: number, coin: number, account: number, level: number|null, steps: number[]}}
 *   `level` is the arbitrator's P, absent for traders; `steps` is the whole path.
 */
export function parseOrigin(origin) {
  const found = ORIGIN.exec(origin);
  if (!found) return refuse('key', `The key origin “${origin}” is not of the form [fingerprint/48'/coin'/account'/2'].`);
  const [coin, account] = [Number(found[2]), Number(found[3])];
  const level = found[4] === undefined ? null : Number(found[4]);
  insist(account < 0x80000000, 'key', `The key origin “${origin}” has an account number that is too large.`);
  const steps = [48, coin, account, 2].map((step) => step + 0x80000000);
  return { fingerprint: parseInt(found[1], 16), coin, account, level, steps: level === null ? steps : [...steps, level] };
}

/** @param {string} origin */
export const accountNumber = (origin) => parseOrigin(origin).account;

/** An extended public key of this network (also Zpub or Vpub). @param {string} text @param {string} networkName @returns {HDKey} */
export function parseXpub(text, networkName) {
  const { keys } = network(networkName);
  const words = 'This is not an extended public key of this network.';
  const payload = orRefuse('key', words, () => coder.decode(text));
  insist(payload.length === 78, 'key', words);
  const version = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  const slip132 = keys.public === 0x0488b21e ? 0x02aa7ed3 : 0x02575483;
  if (version === slip132) new DataView(payload.buffer, payload.byteOffset).setUint32(0, keys.public);
  return orRefuse('key', words, () => HDKey.fromExtendedKey(coder.encode(payload), keys));
}

/** The 78 bytes that base58 wraps. @param {HDKey} key */
export const serialised = (key) => coder.decode(key.publicExtendedKey);

/** Same public key and chain code, however they are written. @param {string} a @param {string} b @param {string} networkName */
export function sameAccount(a, b, networkName) {
  const [left, right] = [parseXpub(a, networkName), parseXpub(b, networkName)];
  return equalBytes(left.publicKey, right.publicKey) && equalBytes(left.chainCode, right.chainCode);
}
