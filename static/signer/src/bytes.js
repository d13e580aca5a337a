/** Bytes in and out of text, and comparisons. */

import { base64, hex } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';

export const utf8 = (/** @type {string} */ text) => new TextEncoder().encode(text);
export const toHex = (/** @type {Uint8Array} */ bytes) => hex.encode(bytes);
export const fromHex = (/** @type {string} */ text) => hex.decode(text.toLowerCase());
export const toBase64 = (/** @type {Uint8Array} */ bytes) => base64.encode(bytes);
export const fromBase64 = (/** @type {string} */ text) => base64.decode(text);

/** SHA-256 of text or bytes, lower-case hexadecimal. @param {string|Uint8Array} data */
export function sha256Hex(data) {
  return toHex(sha256(typeof data === 'string' ? utf8(data) : data));
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export function equalBytes(a, b) {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}
