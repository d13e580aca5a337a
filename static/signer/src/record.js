/**
 * The arbitrator's public record: his account key is not published, only the root of a tree over its 4,096 children.
 * The path has 12 hashes, the leaf's neighbour first. Leaf P = SHA-256(0x00 ‖ 78 bytes of xpub_P); node = SHA-256(0x01 ‖ left ‖ right).
 */

import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { fromHex, sha256Hex, toHex } from './bytes.js';
import { parseCanonical } from './canonical.js';
import { insist, orRefuse } from './refusal.js';
import { parseXpub, serialised } from './xpub.js';

const DEPTH = 12;

/** @param {Uint8Array} leaf78 */
export const leafHash = (leaf78) => sha256(concatBytes(Uint8Array.of(0), leaf78));
/** @param {Uint8Array} left @param {Uint8Array} right */
export const nodeHash = (left, right) => sha256(concatBytes(Uint8Array.of(1), left, right));

/** The root that a leaf at place P and its path lead to. @param {Uint8Array} leaf @param {number} P @param {Uint8Array[]} path */
export function rootFrom(leaf, P, path) {
  return path.reduce((node, beside, level) => ((P >> level) & 1 ? nodeHash(beside, node) : nodeHash(node, beside)), leaf);
}

/**
 * Refuses unless xpub_P of the contract is child P of the arbitrator whose record the contract names.
 * @param {{text: string, hash: string, path: string[]}|null} record @param {any} contract @param {string} xpubP
 */
export function checkRecord(record, contract, xpubP) {
  insist(record, 'record', 'The desk did not send the arbitrator’s public record, so his key cannot be checked.');
  insist(sha256Hex(record.text) === contract.arbitrator && record.hash === contract.arbitrator, 'record', 'The arbitrator’s record is not the one that the contract names.');
  const facts = parseCanonical(record.text, 'arbitrator’s record');
  const words = 'The arbitrator’s key in the contract is not one of the keys in his public record.';
  insist(Array.isArray(record.path) && record.path.length === DEPTH, 'record', words);
  insist(facts.v === 1 && facts.network === contract.network, 'record', 'The arbitrator’s record is of a kind or network that this page does not know.');
  const path = orRefuse('record', words, () => record.path.map(fromHex));
  const leaf = leafHash(serialised(parseXpub(xpubP, contract.network)));
  insist(path.every((hash) => hash.length === 32) && toHex(rootFrom(leaf, contract.P, path)) === facts.root, 'record', words);
  return facts;
}
