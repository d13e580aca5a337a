/** The escrow's lock: `wsh(sortedmulti(2, buyer, seller, arbitrator))` at `/0/N`, rebuilt here from the three keys. */

import { p2ms, p2wsh } from '@scure/btc-signer';
import { compareBytes } from '@scure/btc-signer/utils.js';
import { network } from './network.js';
import { parseOrigin, parseXpub } from './xpub.js';
import { equalBytes } from './bytes.js';
import { insist } from './refusal.js';

export const ROLES = Object.freeze(['buyer', 'seller', 'arbitrator']);
const LEVELS = 4096;
const INDEX_MAX = 0x7fffffff;

/** @typedef {{role: string, origin: string, xpub: string}} ContractKey */
/** @typedef {{script: Uint8Array, scriptPubKey: Uint8Array, address: string, descriptor: string, pubkeys: Record<string, Uint8Array>}} Lock */

/** @param {string} text BIP-380 checksum, eight characters */
export function descriptorChecksum(text) {
  const INPUT = "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
  const OUTPUT = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
  const GENERATOR = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn];
  let sum = 1n;
  const feed = (/** @type {number} */ symbol) => {
    const top = sum >> 35n;
    sum = ((sum & 0x7ffffffffn) << 5n) ^ BigInt(symbol);
    GENERATOR.forEach((part, bit) => { if ((top >> BigInt(bit)) & 1n) sum ^= part; });
  };
  let [group, count] = [0, 0];
  for (const letter of text) {
    const place = INPUT.indexOf(letter);
    insist(place >= 0, 'key', 'The descriptor holds a character that descriptors do not have.');
    feed(place & 31);
    group = group * 3 + (place >> 5);
    count += 1;
    if (count === 3) { feed(group); [group, count] = [0, 0]; }
  }
  if (count > 0) feed(group);
  for (let left = 0; left < 8; left += 1) feed(0);
  sum ^= 1n;
  return [7, 6, 5, 4, 3, 2, 1, 0].map((place) => OUTPUT[Number((sum >> BigInt(5 * place)) & 31n)]).join('');
}

/**
 * Rebuilds script, address and descriptor. Refuses keys that do not fit: order of roles, network, depth, a level P that is
 * not the arbitrator's, equal keys or fingerprints.
 * @param {ContractKey[]} keys @param {number} P @param {number} N @param {string} networkName @returns {Lock}
 */
export function rebuildLock(keys, P, N, networkName) {
  insist(Array.isArray(keys) && keys.map((key) => key.role).join() === ROLES.join(), 'key', 'The contract does not name the three keys in the order buyer, seller, arbitrator.');
  insist(Number.isInteger(P) && P >= 0 && P < LEVELS && Number.isInteger(N) && N >= 0 && N <= INDEX_MAX, 'key', 'The contract has numbers P and N that no escrow has.');
  const { coin, address: addressing } = network(networkName);
  const parsed = keys.map((key) => {
    const origin = parseOrigin(key.origin);
    const account = parseXpub(key.xpub, networkName);
    insist(origin.coin === coin, 'network', `The ${key.role}'s key belongs to another bitcoin network.`);
    insist(origin.level === (key.role === 'arbitrator' ? P : null), 'key', `The ${key.role}'s key does not stand at its place in the wallet.`);
    insist(account.depth === origin.steps.length && account.index === origin.steps.at(-1), 'key', `The ${key.role}'s key does not fit the path written beside it.`);
    return { role: key.role, origin, account, pubkey: account.deriveChild(0).deriveChild(N).publicKey };
  });
  const fingerprints = new Set(parsed.map((one) => one.origin.fingerprint));
  insist(fingerprints.size === 3, 'key', 'Two of the three keys come from the same wallet; then one person could take the coins alone.');
  parsed.forEach((one, at) => parsed.slice(at + 1).forEach((other) => {
    insist(!equalBytes(one.pubkey, other.pubkey) && !equalBytes(one.account.publicKey, other.account.publicKey), 'key', 'Two of the three keys are the same.');
  }));
  const sorted = parsed.map((one) => one.pubkey).sort(compareBytes);
  const payment = p2wsh(p2ms(2, sorted), addressing);
  const body = `wsh(sortedmulti(2,${keys.map((key) => `${key.origin}${key.xpub}/<0;1>/*`).join(',')}))`;
  const pubkeys = Object.fromEntries(parsed.map((one) => [one.role, one.pubkey]));
  return { script: payment.witnessScript, scriptPubKey: payment.script, address: payment.address, descriptor: `${body}#${descriptorChecksum(body)}`, pubkeys };
}
