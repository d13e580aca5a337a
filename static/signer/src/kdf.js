/** Argon2id with the parameters of the key file: WebAssembly where the browser has it, plain JavaScript elsewhere. */

import argon2 from 'hash-wasm/dist/argon2.umd.min.js';
import { argon2idAsync } from '@noble/hashes/argon2.js';
import { utf8 } from './bytes.js';

/** 64 MiB, three passes, one lane: about half a second with WebAssembly. */
export const KDF = Object.freeze({ name: 'argon2id', m_kib: 65536, t: 3, p: 1 });

/** False in Tor Browser at “Safer”, or under a policy without `wasm-unsafe-eval`. */
export function hasWebAssembly() {
  try {
    new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    return true;
  } catch {
    return false;
  }
}

/** Said before a slow derivation; empty when it is fast. */
export const slowWords = () =>
  hasWebAssembly() ? '' : 'This browser has no WebAssembly, so opening the key takes longer: a few seconds, up to a minute on a slow device.';

/**
 * 32 bytes from the passphrase (NFKC).
 * @param {string} passphrase @param {Uint8Array} salt @returns {Promise<Uint8Array>}
 */
export async function stretch(passphrase, salt) {
  const password = utf8(passphrase.normalize('NFKC'));
  if (!hasWebAssembly()) return stretchSlowly(password, salt);
  const options = { iterations: KDF.t, parallelism: KDF.p, memorySize: KDF.m_kib, hashLength: 32 };
  return argon2.argon2id({ password, salt, ...options, outputType: 'binary' });
}

/** The same in JavaScript alone. @param {Uint8Array} password @param {Uint8Array} salt */
export function stretchSlowly(password, salt) {
  return argon2idAsync(password, salt, { t: KDF.t, m: KDF.m_kib, p: KDF.p, dkLen: 32 });
}
