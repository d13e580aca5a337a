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

/** One line of the text that is a PSBT, or the first of several, in base64 or hexadecimal. */
const PSBT = /^(?:cHNidP[A-Za-z0-9+/]*={0,2}|70736274[fF]{2}[0-9a-fA-F]*)$/u;
/** Base64 is broken into lines of 64 or 76 characters; a private key alone on its line is no such line. */
const LINE_CHARS_MIN = 60;

/**
 * The text without its PSBTs: they hold no secret, and anybody who pays to an escrow puts into them whatever bytes they like, also
 * such as read like words or a key. A PSBT may be broken into lines of one length; a shorter last one stays.
 * @param {string} text
 */
function withoutPsbts(text) {
  let line = 0;
  const kept = text.split(/\s+/u).filter((token) => {
    const whole = PSBT.test(token);
    const goesOn = line >= LINE_CHARS_MIN && token.length === line && /^[A-Za-z0-9+/]+$/u.test(token);
    line = whole || goesOn ? token.length : 0;
    return line === 0;
  });
  return kept.join(' ');
}

/**
 * Twelve or more words of the BIP-39 list in a row. They stand apart as words do: by blanks, line ends, commas and the like, and
 * may have a number before or after them. Letters that hang together by digits or by the signs of base64 are no words.
 * @param {string} text
 */
function seedWords(text) {
  let row = 0;
  for (const part of text.toLowerCase().match(/[a-z0-9+/]+/gu) ?? []) {
    const [word, more] = part.match(/[a-z]+/gu) ?? [];
    if (word === undefined) continue;
    row = more === undefined && KNOWN.has(word) ? row + 1 : 0;
    if (row >= PHRASE_LENGTHS_MIN) return true;
  }
  return false;
}

/**
 * What secret a text holds, in words, or null.
 * @param {string} text
 */
export function secretIn(text) {
  const own = withoutPsbts(text);
  const tokens = own.split(/[^1-9A-HJ-NP-Za-km-z]+/u);
  if (tokens.some(extendedPrivate)) return 'a private extended key';
  if (tokens.some(wif)) return 'a private key';
  if (seedWords(own)) return 'the words of a wallet';
  return null;
}
