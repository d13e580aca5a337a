/** The bitcoin networks a desk may run on: addresses, extended keys and coin types (BIP-44, SLIP-132). */

import { NETWORK, TEST_NETWORK } from '@scure/btc-signer';
import { refuse } from './refusal.js';

const MAIN_KEYS = { private: 0x0488ade4, public: 0x0488b21e };
const TEST_KEYS = { private: 0x04358394, public: 0x043587cf };

/** @typedef {{name: string, coin: number, keys: {private: number, public: number}, address: any}} Network */

/** @type {Record<string, Network>} */
const NETWORKS = {
  bitcoin: { name: 'bitcoin', coin: 0, keys: MAIN_KEYS, address: NETWORK },
  testnet: { name: 'testnet', coin: 1, keys: TEST_KEYS, address: TEST_NETWORK },
  testnet4: { name: 'testnet4', coin: 1, keys: TEST_KEYS, address: TEST_NETWORK },
  signet: { name: 'signet', coin: 1, keys: TEST_KEYS, address: TEST_NETWORK },
  regtest: { name: 'regtest', coin: 1, keys: TEST_KEYS, address: { ...TEST_NETWORK, bech32: 'bcrt' } },
};

/** @param {string} name @returns {Network} */
export function network(name) {
  return Object.hasOwn(NETWORKS, name) ? NETWORKS[name] : refuse('network', `This page does not know the network “${name}”.`);
}
