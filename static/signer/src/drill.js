/**
 * The script of an arbitrator's drill: his key at level 4095 and N = 0, beside two keys that nobody has the private keys of,
 * made from their names alone.
 */

import { HDKey } from '@scure/bip32';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { toHex, utf8 } from './bytes.js';
import { rebuildLock } from './lock.js';
import { network } from './network.js';
import { refuse } from './refusal.js';
import { parseXpub } from './xpub.js';

export const DRILL_LEVEL = 4095;

/** A point whose x is a hash of the name: the first of SHA-256(name ‖ 0), SHA-256(name ‖ 1) … that is one. @param {Uint8Array} name */
function pointOf(name) {
  for (let count = 0; count < 256; count += 1) {
    const candidate = concatBytes(Uint8Array.of(2), sha256(concatBytes(name, Uint8Array.of(count))));
    try {
      secp256k1.Point.fromBytes(candidate).assertValidity();
      return candidate;
    } catch {
      // Half of all hashes are not the x of a point.
    }
  }
  return refuse('key', 'The script of this drill cannot be made.');
}

/** @param {string} role @param {string} networkName */
function keyless(role, networkName) {
  const { coin, keys } = network(networkName);
  const name = utf8(`trine drill ${role}`);
  const hash = (/** @type {string} */ suffix) => sha256(concatBytes(name, utf8(suffix)));
  const fingerprint = toHex(hash(' fingerprint').slice(0, 4));
  const key = new HDKey({
    versions: keys, depth: 4, index: 0x80000002, parentFingerprint: parseInt(fingerprint, 16), chainCode: hash(' chain code'), publicKey: pointOf(name),
  });
  return { role, origin: `[${fingerprint}/48'/${coin}'/0'/2']`, xpub: key.publicExtendedKey };
}

/** @param {{origin: string, xpub: string}} own the arbitrator's account key @param {string} networkName */
export function drillLock(own, networkName) {
  const level = parseXpub(own.xpub, networkName).deriveChild(DRILL_LEVEL);
  const arbitrator = { role: 'arbitrator', origin: own.origin.replace(/\]$/u, `/${DRILL_LEVEL}]`), xpub: level.publicExtendedKey };
  return rebuildLock([keyless('buyer', networkName), keyless('seller', networkName), arbitrator], DRILL_LEVEL, 0, networkName);
}
