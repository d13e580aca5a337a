/** BIP-39 words and the account key made from them. Twelve words, English, no BIP-39 passphrase. */

import { HDKey } from '@scure/bip32';
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { insist } from './refusal.js';
import { network } from './network.js';

const HARDENED = 0x80000000;
export const WORD_COUNT = 12;

/** Twelve new words from the browser's own randomness. */
export function newWords() {
  return entropyToMnemonic(crypto.getRandomValues(new Uint8Array(16)), wordlist);
}

/** `count` words chosen independently: 11 bits each. @param {number} count */
export function randomWords(count) {
  const numbers = crypto.getRandomValues(new Uint16Array(count));
  return [...numbers].map((number) => wordlist[number % wordlist.length]).join(' ');
}

/** What a person typed, as the one spelling used everywhere. @param {string} typed */
export function normaliseWords(typed) {
  return typed.normalize('NFKD').trim().toLowerCase().replace(/[\s,;.]+/gu, ' ').replace(/(^| )\d+ /gu, '$1');
}

/** Refuses words that are not twelve words of the list with a matching checksum. @param {string} words */
export function checkWords(words) {
  const each = words.split(' ');
  insist(each.length === WORD_COUNT, 'words', `A key has ${WORD_COUNT} words; ${each.length} were given.`);
  const strange = each.findIndex((word) => !wordlist.includes(word));
  insist(strange === -1, 'words', `Word ${strange + 1}, “${each[strange]}”, is not in the word list: check its spelling.`);
  insist(validateMnemonic(words, wordlist), 'words', 'These words are all in the list, but together they are not a key: one of them is wrong or two have changed places.');
}

/** `m/48'/coin'/account'/2'` (BIP-48, P2WSH). @param {number} coin @param {number} account */
export function accountPath(coin, account) {
  return [48, coin, account, 2].map((step) => step + HARDENED);
}

/** The key at a path below `from`; the keys on the way are wiped. @param {HDKey} from @param {number[]} path @returns {HDKey} */
export function deriveWiping(from, path) {
  return path.reduce((key, step) => {
    const next = key.deriveChild(step);
    if (key !== from) key.wipePrivateData();
    return next;
  }, from);
}

/**
 * The account's key from its words.
 * @param {string} words @param {string} networkName @param {number} account
 * @returns {{account: HDKey, origin: string, xpub: string}}
 */
export function deriveAccount(words, networkName, account) {
  const { coin, keys } = network(networkName);
  const seed = mnemonicToSeedSync(words);
  const root = HDKey.fromMasterSeed(seed, keys);
  seed.fill(0);
  const fingerprint = root.fingerprint.toString(16).padStart(8, '0');
  const key = deriveWiping(root, accountPath(coin, account));
  root.wipePrivateData();
  return { account: key, origin: `[${fingerprint}/48'/${coin}'/${account}'/2']`, xpub: key.publicExtendedKey };
}
