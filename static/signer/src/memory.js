/** What this browser remembers between visits: which trade each number N was signed for, and addresses typed here. Never a secret. */

import { sha256Hex } from './bytes.js';
import { insist } from './refusal.js';

/** @typedef {{getItem(key: string): string|null, setItem(key: string, value: string): void}} Store */

/** The browser's storage, or a place that forgets where there is none. @returns {Store} */
export function browserStore() {
  try {
    return globalThis.localStorage ?? forgetful();
  } catch {
    return forgetful();
  }
}

/** @returns {Store} */
export function forgetful() {
  const kept = new Map();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

/** More changed contracts than any trade has. */
const CONTRACTS_MAX = 50;

/** @param {Store} store @param {string} key */
function read(store, key) {
  try {
    return JSON.parse(store.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/** Addresses typed on this device. @param {Store} store @param {string} network @returns {string[]} */
export function typedAddresses(store, network) {
  const list = read(store, `trine:address:${network}`);
  return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
}

/** @param {string} xpub the key as the contract names it @param {number} N */
const place = (xpub, N) => `trine:n:${sha256Hex(xpub).slice(0, 16)}:${N}`;

/** Contracts that this browser signed for a trade, the last one last. @param {any} before @returns {string[]} */
const signedFor = (before) => (Array.isArray(before?.contracts) ? before.contracts : [before?.contract]).filter((one) => typeof one === 'string');

/**
 * Refuses a number N that this key signed for another trade, and a second contract for the same trade that does not supersede one
 * that was signed here. A proposal that was signed and came to nothing may be followed by another for the same contract.
 * @param {Store} store @param {string} xpub @param {any} contract @param {string} hash @param {boolean} signsContract
 */
export function checkReuse(store, xpub, contract, hash, signsContract) {
  const before = read(store, place(xpub, contract.N));
  if (!before) return;
  insist(before.trade === contract.trade, 'reuse', `This browser already used number ${contract.N} of your key for trade ${before.trade}; it must never be used for a second one.`);
  if (!signsContract) return;
  const signed = signedFor(before);
  insist(
    signed.includes(hash) || signed.includes(contract.supersedes),
    'reuse',
    'This browser already signed another contract for this trade, and this one does not say that it replaces it.',
  );
}

/**
 * Words where the last contract that this browser signed for a trade is another than the one shown; empty where it is the same.
 * It may be a proposal that came to nothing, so it is said and not refused.
 * @param {Store} store @param {string} xpub @param {any} contract @param {string} hash
 */
export function otherContract(store, xpub, contract, hash) {
  const last = signedFor(read(store, place(xpub, contract.N))).at(-1);
  if (!last || last === hash || contract.supersedes === last) return '';
  return `The last contract that you signed in this browser for this trade is ${last.slice(0, 16)}…, and this goes by ${hash.slice(0, 16)}…. If the other side has signed yours too, stop and write to them.`;
}

/** @param {Store} store @param {string} xpub @param {any} contract @param {string} hash */
export function rememberUse(store, xpub, contract, hash) {
  try {
    const before = read(store, place(xpub, contract.N));
    const others = before?.trade === contract.trade ? signedFor(before).filter((one) => one !== hash) : [];
    const contracts = [...others, hash].slice(-CONTRACTS_MAX);
    store.setItem(place(xpub, contract.N), JSON.stringify({ trade: contract.trade, contract: hash, contracts }));
  } catch {
    // Full or forbidden storage: the server's own unique constraint still stands.
  }
}
