/**
 * The encrypted key file: the words under a signing passphrase (Argon2id, then AES-256-GCM).
 * The desk keeps it unread; anybody who has it still needs the passphrase. Format version 1:
 *
 *   {"v":1,"kind":"trine-key","account":"anna-k","network":"regtest","origin":"[d34db33f/48'/1'/0'/2']","xpub":"tpub…",
 *    "kdf":{"name":"argon2id","m_kib":65536,"t":3,"p":1,"salt":"<base64, 16 bytes>"},
 *    "cipher":"aes-256-gcm","nonce":"<base64, 12 bytes>","ciphertext":"<base64>"}
 *
 * Associated data: `trine-key|1|<account>|<network>|argon2id|<m_kib>|<t>|<p>`. Plaintext: the words, one blank
 * between them, padded with blanks to 256 bytes so that its length tells nothing.
 */

import { fromBase64, toBase64, utf8 } from './bytes.js';
import { KDF, stretch } from './kdf.js';
import { accountNumber, sameAccount } from './xpub.js';
import { checkWords, deriveAccount } from './mnemonic.js';
import { insist, orRefuse, refuse } from './refusal.js';

const PADDED_BYTES = 256;
const FIELDS = ['account', 'cipher', 'ciphertext', 'kdf', 'kind', 'network', 'nonce', 'origin', 'v', 'xpub'];
const KDF_FIELDS = ['m_kib', 'name', 'p', 'salt', 't'];

/** @typedef {{name: string, m_kib: number, t: number, p: number, salt: string}} KdfFields */
/** @typedef {{v: number, kind: string, account: string, network: string, origin: string, xpub: string, kdf: KdfFields, cipher: string, nonce: string, ciphertext: string}} KeyFile */

/** @param {{account: string, network: string, kdf: KdfFields}} file */
function associatedData(file) {
  const { name, m_kib, t, p } = file.kdf;
  return utf8(`trine-key|1|${file.account}|${file.network}|${name}|${m_kib}|${t}|${p}`);
}

/** @param {Uint8Array} bytes @param {'encrypt'|'decrypt'} use */
function aesKey(bytes, use) {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, [use]);
}

/**
 * @param {{words: string, passphrase: string, account: string, network: string, origin: string, xpub: string}} what
 * @returns {Promise<KeyFile>}
 */
export async function sealKeyFile({ words, passphrase, account, network, origin, xpub }) {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const nonce = crypto.getRandomValues(new Uint8Array(12));
  const kdf = { ...KDF, salt: toBase64(salt) };
  const plain = utf8(words.padEnd(PADDED_BYTES, ' '));
  const secret = await stretch(passphrase, salt);
  const additionalData = associatedData({ account, network, kdf });
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData }, await aesKey(secret, 'encrypt'), plain);
  secret.fill(0);
  plain.fill(0);
  const ciphertext = toBase64(new Uint8Array(sealed));
  return { v: 1, kind: 'trine-key', account, network, origin, xpub, kdf, cipher: 'aes-256-gcm', nonce: toBase64(nonce), ciphertext };
}

/** The file as it is stored and downloaded. @param {KeyFile} file */
export const keyFileText = (file) => JSON.stringify(file);

/** Reads a file's text; says in words what is not right with it. @param {string} text @returns {KeyFile} */
export function parseKeyFile(text) {
  const file = orRefuse('file', 'This is not a Trine key file: it is not readable as JSON.', () => JSON.parse(text));
  return checkKeyFile(file);
}

/** Refuses anything but exactly this format with at least the parameters this page uses. @param {any} file @returns {KeyFile} */
export function checkKeyFile(file) {
  const shaped = (/** @type {any} */ value, /** @type {string[]} */ fields) =>
    value !== null && typeof value === 'object' && Object.keys(value).sort().join() === fields.join();
  insist(shaped(file, FIELDS) && shaped(file.kdf, KDF_FIELDS) && file.kind === 'trine-key', 'file', 'This is not a Trine key file.');
  insist(file.v === 1 && file.cipher === 'aes-256-gcm', 'file', 'This key file has a version that this page does not know.');
  const { name, m_kib, t, p } = file.kdf;
  insist(
    name === KDF.name && m_kib === KDF.m_kib && t === KDF.t && p === KDF.p,
    'file',
    `This key file asks for other encryption parameters than this page allows (Argon2id, ${KDF.m_kib} KiB, ${KDF.t} passes): somebody may have weakened it, so it is not opened.`,
  );
  const long = (/** @type {string} */ value, /** @type {number} */ bytes) =>
    orRefuse('file', 'This key file is damaged.', () => fromBase64(value).length === bytes);
  insist(long(file.kdf.salt, 16) && long(file.nonce, 12) && long(file.ciphertext, PADDED_BYTES + 16), 'file', 'This key file is damaged.');
  return file;
}

/**
 * Opens the file and shows that what is inside gives the key written outside.
 * @param {KeyFile} file @param {string} passphrase
 * @returns {Promise<{words: string, account: import('@scure/bip32').HDKey, origin: string, xpub: string}>}
 */
export async function openKeyFile(file, passphrase) {
  checkKeyFile(file);
  const secret = await stretch(passphrase, fromBase64(file.kdf.salt));
  const key = await aesKey(secret, 'decrypt');
  secret.fill(0);
  const params = { name: 'AES-GCM', iv: fromBase64(file.nonce), additionalData: associatedData(file) };
  let plain;
  try {
    plain = new Uint8Array(await crypto.subtle.decrypt(params, key, fromBase64(file.ciphertext)));
  } catch {
    refuse('passphrase', 'The signing passphrase does not open this key file. Nothing was signed; try again.');
  }
  const words = new TextDecoder().decode(plain).trimEnd();
  plain.fill(0);
  checkWords(words);
  const derived = deriveAccount(words, file.network, accountNumber(file.origin));
  insist(
    derived.origin === file.origin && sameAccount(derived.xpub, file.xpub, file.network),
    'key',
    'The words in this file do not give the key that is written on it, so it is not used.',
  );
  return { words, ...derived };
}
