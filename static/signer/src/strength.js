/**
 * How hard a signing passphrase is to guess, counted low: a thief with the encrypted file can try offline,
 * each try costing him an Argon2id of 64 MiB. 60 bits keep that out of reach; six random words have 66.
 */

import { wordlist } from '@scure/bip39/wordlists/english.js';

export const BITS_MIN = 60;
const WORD_BITS = 11;
const KNOWN = new Set(wordlist);
/** What people take for passwords, and what everybody tries first. */
const COMMON = `password passwort passphrase secret qwerty qwertz azerty asdf letmein welcome dragon monkey football baseball
iloveyou sunshine princess master login admin bitcoin satoshi nakamoto trine hodl crypto wallet escrow correct horse battery staple
please trustno shadow michael jennifer jordan superman batman summer winter spring autumn money`.split(/\s+/u);
const RUNS = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'qwertzuiop', 'yxcvbnm'];

/** @param {string} run letters of one word */
function letterBits(run) {
  if (COMMON.includes(run)) return 4;
  if (KNOWN.has(run)) return WORD_BITS;
  if (run.length <= 3) return run.length * 4;
  return run.length <= 14 ? Math.min(run.length * 2.3, 12) : run.length * 1.5;
}

/** Does `b` follow `a` on a keyboard, in the alphabet, or is it the same? @param {string} a @param {string} b */
function predictable(a, b) {
  return a === b || RUNS.some((run) => run.includes(a + b) || run.includes(b + a));
}

/** @param {string} run digits or signs */
function otherBits(run) {
  let bits = 0;
  let before = '';
  for (const letter of run) {
    const fresh = /\d/u.test(letter) ? 3.3 : 4.5;
    bits += before && predictable(before, letter) ? 0.5 : fresh;
    before = letter;
  }
  return /^(19|20)\d\d$/u.test(run) ? Math.min(bits, 6) : bits;
}

/** An estimate in bits. Parts that come again count one bit. @param {string} passphrase */
export function strengthBits(passphrase) {
  const text = passphrase.normalize('NFKC').trim();
  const seen = new Set();
  let bits = 0;
  for (const [part] of text.toLowerCase().matchAll(/\p{L}+|[^\p{L}\s]+/gu)) {
    if (seen.has(part)) bits += 1;
    else if (/\p{L}/u.test(part)) bits += runOfLetters(part) ? 4 : letterBits(part);
    else bits += otherBits(part);
    seen.add(part);
  }
  const changes = [...text.matchAll(/\p{Ll}\p{Lu}/gu)].length;
  return bits + Math.min(changes, 10);
}

/** @param {string} part a keyboard or alphabet run such as “qwertyuiop” */
function runOfLetters(part) {
  return part.length > 3 && [...part].every((letter, place) => place === 0 || predictable(part[place - 1], letter));
}

/** One sentence for the person typing. @param {number} bits */
export function strengthWords(bits) {
  if (bits >= BITS_MIN) return 'Strong enough.';
  const share = bits < 20 ? 'Far too easy to guess' : bits < 40 ? 'Too easy to guess' : 'Not yet strong enough';
  return `${share}: add more words. Six words chosen at random are enough.`;
}
