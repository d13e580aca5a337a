/** Notices private keys and seed words in a text before it can be sent anywhere. */

import { base58check } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { wordlist } from '@scure/bip39/wordlists/english.js';

const coder = base58check(sha256);
const KNOWN = new Set(wordlist);
/** Version bytes of private extended keys: xprv, yprv, zprv, Yprv, Zprv and their test network forms. */
const PRIVATE_VERSIONS = new Set([0x0488ade4, 0x049d7878, 0x04b2430c, 0x0295b005, 0x02aa7a99, 0x04358394, 0x044a4e28, 0x045f18bc, 0x024285b5, 0x02575048]);
const PHRASE_LENGTHS_MIN = 12;

/** @param {string} token */
function decoded(token) {
  try {
    return coder.decode(token);
  } catch {
    return null;
  }
}

/** A private extended key, also a mistyped one. Only nearly whole ones, for base64 may spell “xprv” by chance. @param {string} token */
function extendedPrivate(token) {
  if (/^[xyztuvYZUV]prv[1-9A-HJ-NP-Za-km-z]{80,}/u.test(token)) return true;
  const bytes = decoded(token);
  return bytes?.length === 78 && PRIVATE_VERSIONS.has(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
}

/** @param {string} token */
function wif(token) {
  if (!/^[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}$/u.test(token)) return false;
  const bytes = decoded(token);
  return bytes !== null && (bytes[0] === 0x80 || bytes[0] === 0xef) && (bytes.length === 33 || (bytes.length === 34 && bytes[33] === 1));
}

/** Twelve or more words of the BIP-39 list in a row. @param {string} text */
function seedWords(text) {
  let row = 0;
  for (const word of text.toLowerCase().match(/[a-z]+/gu) ?? []) {
    row = KNOWN.has(word) ? row + 1 : 0;
    if (row >= PHRASE_LENGTHS_MIN) return true;
  }
  return false;
}

/**
 * What secret a text holds, in words, or null.
 * @param {string} text
 */
export function secretIn(text) {
  const tokens = text.split(/[^1-9A-HJ-NP-Za-km-z]+/u);
  if (tokens.some(extendedPrivate)) return 'a private extended key';
  if (tokens.some(wif)) return 'a private key';
  if (seedWords(text)) return 'the words of a wallet';
  return null;
}
