/** A whole trade made in JavaScript, so that tests can change any part of it and sign it again. */

import { HDKey } from '@scure/bip32';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { SigHash, Transaction } from '@scure/btc-signer';
import { canonical } from '../src/canonical.js';
import { sealKeyFile } from '../src/keyfile.js';
import { deriveAccount } from '../src/mnemonic.js';
import { rebuildLock } from '../src/lock.js';
import { messageForms } from '../src/message.js';
import { leafHash, rootFrom } from '../src/record.js';
import { escrowKey } from '../src/sign.js';
import { parseXpub, serialised } from '../src/xpub.js';
import { sha256Hex, toBase64, toHex } from '../src/bytes.js';
import { forgetful } from '../src/memory.js';

export const PASSPHRASE = 'orbit maple quiet lantern sugar window';
const WORDS = {
  buyer: 'legal winner thank year wave sausage worth useful legal winner thank yellow',
  seller: 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above',
  arbitrator: 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about',
};
export const NAMES = { buyer: 'anna-k', seller: 'bert', arbitrator: 'carol' };
export const P = 77;
export const N = 3;
const HOST = '127.0.0.1';

export const people = Object.fromEntries(Object.entries(WORDS).map(([role, words]) => [role, { words, name: NAMES[role], ...deriveAccount(words, 'regtest', 0) }]));
export const ownOf = (role) => ({ level: role === 'arbitrator' ? P : null, index: N });
export const here = () => ({ hostname: HOST, store: forgetful() });

/** A P2WPKH address of nobody in particular. */
export const addressOf = (() => {
  const hrp = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, wif: 0xef };
  return async (seed) => {
    const { p2wpkh } = await import('@scure/btc-signer');
    return p2wpkh(HDKey.fromMasterSeed(new Uint8Array(32).fill(seed)).publicKey, hrp).address;
  };
})();
export const addresses = { buyer: await addressOf(1), seller: await addressOf(2), desk: await addressOf(3), arbitrator: await addressOf(4), thief: await addressOf(9) };

export function keyEntries() {
  const level = parseXpub(people.arbitrator.xpub, 'regtest').deriveChild(P);
  return [
    { role: 'buyer', origin: people.buyer.origin, xpub: people.buyer.xpub },
    { role: 'seller', origin: people.seller.origin, xpub: people.seller.xpub },
    { role: 'arbitrator', origin: people.arbitrator.origin.replace(']', `/${P}]`), xpub: level.publicExtendedKey },
  ];
}

/** A record whose tree has only the one path that the trade needs. */
export function recordFor(xpubP) {
  const path = [...Array(12).keys()].map((level) => sha256(Uint8Array.of(level)));
  const root = toHex(rootFrom(leafHash(serialised(parseXpub(xpubP, 'regtest'))), P, path));
  const facts = { contact: 'carol@example.org', date: '2026-11-01', fingerprint: people.arbitrator.origin.slice(1, 9), name: 'Carol', network: 'regtest', root, v: 1 };
  const text = canonical(facts);
  return { text, hash: sha256Hex(text), path: path.map(toHex) };
}

export const details = { fields: { holder: 'Bert B.', iban: 'DE89370400440532013000' }, method: 'sepa', salt: '07'.repeat(32), v: 1 };

/** The contract's fields; `change` may edit them before they are hashed. */
export function contractFields(change = () => {}) {
  const keys = keyEntries();
  const lock = rebuildLock(keys, P, N, 'regtest');
  const fields = {
    v: 1, network: 'regtest', desk: HOST, trade: '7KQ2M4XN', offer: 'ABCDEFGH', offer_version: 1, created: '2026-11-21T22:00:00Z', sign_by: '2026-11-21T23:00:00Z',
    supersedes: null, group: null, buyer: NAMES.buyer, seller: NAMES.seller, maker: 'seller', amount_sat: 1_000_000, deposit_sat: 1_003_000, price: '58420.10', fiat: '584.20',
    currency: 'EUR', method: 'sepa', terms: null, reference: 'R7KQ2', hold: 0,
    windows: { deposit: 180, confirmation: 1440, payment: 1440, release: 1440, objection: 1440, answer: 1440, ruling: 4320, cosignature: 1440, payout: 36 },
    hours: null, confirmations: 2, feerate: 5, fee_cap_sat: 20_000, desk_fee_sat: { buyer: 2000, seller: 3000 }, arbitrator_fee_sat: 10_000, keys, P, N,
    descriptor: lock.descriptor, address: lock.address, arbitrator: recordFor(keys[2].xpub).hash, rules: '00'.repeat(32),
    payouts: {
      release: [{ to: 'buyer', address: addresses.buyer, sat: 998_000, bears_fee: true }, { to: 'desk', address: addresses.desk, sat: 5000, bears_fee: false }],
      refund: [{ to: 'seller', address: addresses.seller, sat: 1_003_000, bears_fee: true }],
      arbitrator: addresses.arbitrator,
    },
    details: sha256Hex(canonical(details)), payer: null, bonds: null, chat_keys: null,
  };
  change(fields);
  return fields;
}

/** The account's private key again: signing wipes what it was given. */
export const privateAccount = (role) => deriveAccount(WORDS[role], 'regtest', 0).account;

/** A message PSBT, signed by `role` unless null. */
export function messagePsbt(message, lock, role, formName = 'bip322', own = ownOf(role)) {
  const form = messageForms(message, lock).find((one) => one.name === formName);
  const tx = new Transaction({ version: form.version, lockTime: 0, allowUnknownOutputs: true, lowR: true });
  tx.addInput({
    txid: form.spends.txid, index: 0, sequence: 0, nonWitnessUtxo: form.spends.raw, witnessUtxo: { amount: form.amount, script: lock.scriptPubKey },
    witnessScript: lock.script, sighashType: SigHash.ALL,
  });
  tx.addOutput({ amount: form.out.amount, script: form.out.script });
  if (role) tx.signIdx(escrowKey(privateAccount(role), own).privateKey, 0, [SigHash.ALL]);
  return toBase64(tx.toPSBT(0));
}

/** A transaction that pays the escrow, and its outpoint; whoever makes it may add whatever outputs they like. */
export function deposit(lock, sats, tag = 1, others = []) {
  const raw = RawOldTx.encode({
    version: 2, lockTime: 0, inputs: [{ txid: new Uint8Array(32).fill(tag), index: 0, sequence: 0xffffffff, finalScriptSig: new Uint8Array() }],
    outputs: [{ amount: BigInt(sats), script: lock.scriptPubKey }, ...others.map((script) => ({ amount: 0n, script }))],
  });
  return { raw, txid: toHex(sha256(sha256(raw)).reverse()), sat: sats };
}

export async function keyFileOf(role) {
  const { words, name, origin, xpub } = people[role];
  return sealKeyFile({ words, passphrase: PASSPHRASE, account: name, network: 'regtest', origin, xpub });
}
const files = {};

/** An envelope for `role`; `change` edits the contract before hashing. */
export async function envelope(act, role, { change, signed = ['buyer', 'seller'], form = 'bip322' } = {}) {
  const fields = contractFields(change);
  const contract = canonical(fields);
  const hash = sha256Hex(contract);
  const lock = rebuildLock(keyEntries(), P, N, 'regtest');
  const message = `${HOST} trade ${fields.trade} contract ${hash}`;
  files[role] ??= await keyFileOf(role);
  return {
    v: 1, act, desk: HOST, network: 'regtest', trade: '7KQ2M4XN', role, account: NAMES[role],
    key: { origin: people[role].origin, xpub: people[role].xpub, file: files[role] },
    contract, contract_hash: hash,
    contract_signatures: { buyer: null, seller: null, ...Object.fromEntries(signed.map((who) => [who, messagePsbt(message, lock, who, form)])) },
    record: recordFor(fields.keys[2].xpub), payee_details: null, payer_details: null,
    message: act === 'contract' ? message : null, ruling: null, ruling_signature: null,
    psbts: act === 'contract' ? [{ step: 1, base64: messagePsbt(message, lock, null), txid: '' }] : [],
    payout: null, funding: [], alive: [],
  };
}
