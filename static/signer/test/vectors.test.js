/** The desk and this signer agree to the last bit: tests/vectors/trade.json is made by the server's escrow room. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { SigHash } from '@scure/btc-signer';
import { canonical } from '../src/canonical.js';
import { drillLock } from '../src/drill.js';
import { sealKeyFile } from '../src/keyfile.js';
import { rebuildLock } from '../src/lock.js';
import { deriveAccount } from '../src/mnemonic.js';
import { forgetful } from '../src/memory.js';
import { escrowKey, signEnvelope } from '../src/sign.js';
import { parsePsbt, signatureHolds, signatureOf } from '../src/signature.js';
import { verify } from '../src/verify.js';
import { messagePsbt } from './story.js';
import { fromHex, sha256Hex, toBase64, toHex } from '../src/bytes.js';

const vectors = JSON.parse(await readFile(new URL('../../../tests/vectors/trade.json', import.meta.url), 'utf8'));
const { trade, arbitrator } = vectors;
const people = Object.fromEntries(vectors.people.map((one) => [one.role, one]));
const PASSPHRASE = 'orbit maple quiet lantern sugar window';
const contractOf = (text) => ({ contract: text, contract_hash: sha256Hex(text), fields: JSON.parse(text) });
const here = () => ({ hostname: '127.0.0.1', store: forgetful() });
const files = {};

/** Signatures of the standard contract by both; contracts of single payouts are signed here. */
async function envelope(act, role, text, over) {
  const { fields, ...contract } = contractOf(text);
  const account = role === 'arbitrator' ? 'judge-dee' : fields[role];
  const { words, origin, xpub } = people[role];
  files[role] ??= await sealKeyFile({ words, passphrase: PASSPHRASE, account, network: 'regtest', origin, xpub });
  return {
    v: 1, act, desk: '127.0.0.1', network: 'regtest', trade: fields.trade, role, account, key: { origin, xpub, file: files[role] }, ...contract,
    contract_signatures: signaturesOf(text), record: { ...arbitrator.record, path: arbitrator.merkle.path },
    payee_details: { text: vectors.private.details.text }, payer_details: { text: vectors.private.payer.text },
    message: null, ruling: null, ruling_signature: null, psbts: [], payout: null, funding: [], alive: [], ...over,
  };
}

const signed = {};
function signaturesOf(text) {
  if (text === vectors.contract.text) return Object.fromEntries(vectors.contract.forms[0].signed.map((one) => [one.role, one.psbt]));
  return (signed[text] ??= signHere(text, 'contract', ['buyer', 'seller']));
}

/** Contracts of the payout vectors that are not the signed one, and their rulings: signed here with the vectors' words. */
function signHere(text, what, roles) {
  const message = `127.0.0.1 trade ${JSON.parse(text).trade} ${what} ${sha256Hex(text)}`;
  return Object.fromEntries(roles.map((role) => {
    const tx = parsePsbt(messagePsbt(message, tradeLock, null), 'it');
    const key = escrowKey(deriveAccount(people[role].words, 'regtest', 0).account, { level: role === 'arbitrator' ? trade.P : null, index: trade.N });
    tx.signIdx(key.privateKey, 0, [SigHash.ALL]);
    return [role, toBase64(tx.toPSBT(0))];
  }));
}

/** What was signed here holds, over the digest that the desk computes, and so does the desk's own signature (low-R search differs). */
function agrees(psbt, lock, amounts, role, sighash, signatures) {
  const tx = parsePsbt(psbt, 'it');
  amounts.forEach((amount, place) => {
    assert.equal(toHex(tx.preimageWitnessV0(place, lock.script, 1, BigInt(amount))), sighash[place]);
    for (const one of [signatureOf(tx, place, lock.pubkeys[role]), fromHex(signatures[place])]) {
      assert.equal(signatureHolds(tx, place, lock, BigInt(amount), lock.pubkeys[role], one), true);
      assert.ok(one.length <= 71, 'low R');
    }
  });
}
const tradeLock = rebuildLock(trade.keys, trade.P, trade.N, 'regtest');
const messageAmount = (form) => [form.form === 'bip322' ? 0 : 10_000];

test('keys, script, address and descriptor', () => {
  for (const one of vectors.people) {
    const { origin, xpub } = deriveAccount(one.words, 'regtest', 0);
    assert.deepEqual({ origin, xpub }, { origin: one.origin, xpub: one.xpub });
  }
  const lock = rebuildLock(trade.keys, trade.P, trade.N, 'regtest');
  assert.equal(toHex(lock.script), trade.witness_script);
  assert.equal(toHex(lock.scriptPubKey), trade.script_pubkey);
  assert.equal(lock.address, trade.address);
  assert.equal(lock.descriptor, trade.descriptor);
  for (const key of trade.keys) assert.equal(toHex(lock.pubkeys[key.role]), key.public_key);
});

test('the contract is canonical here too, and both forms of both signatures hold', async () => {
  assert.equal(canonical(JSON.parse(vectors.contract.text)), vectors.contract.text);
  assert.equal(sha256Hex(vectors.contract.text), vectors.contract.hash);
  for (const form of vectors.contract.forms) {
    const contract_signatures = Object.fromEntries(form.signed.map((one) => [one.role, one.psbt]));
    for (const role of ['buyer', 'seller', 'arbitrator']) verify(await envelope('check', role, vectors.contract.text, { contract_signatures }), here());
  }
});

test('both forms of the contract’s message are signed as the desk signs them', async () => {
  for (const form of vectors.contract.forms) {
    for (const { role, signatures } of form.signed) {
      const given = await envelope('contract', role, vectors.contract.text, { message: vectors.contract.message, psbts: [{ step: 1, base64: form.psbt, txid: form.txid }] });
      const [psbt] = await signEnvelope(given, here(), PASSPHRASE);
      agrees(psbt, tradeLock, messageAmount(form), role, form.sighash, signatures);
    }
  }
});

test('the ruling and the drill are signed by the arbitrator', async () => {
  for (const form of vectors.ruling.forms) {
    const given = await envelope('ruling', 'arbitrator', vectors.contract.text, { ruling: vectors.ruling.text, message: vectors.ruling.message, psbts: [{ step: 1, base64: form.psbt, txid: '' }] });
    const [psbt] = await signEnvelope(given, here(), PASSPHRASE);
    agrees(psbt, tradeLock, messageAmount(form), 'arbitrator', form.sighash, form.signed[0].signatures);
  }
  const { drill } = vectors;
  const lock = drillLock(people.arbitrator, 'regtest');
  assert.deepEqual([lock.descriptor, lock.address], [drill.descriptor, drill.address]);
  const given = { ...(await envelope('drill', 'arbitrator', vectors.contract.text)), contract: null, message: drill.message, psbts: [{ step: 1, base64: drill.forms[0].psbt, txid: '' }] };
  const [psbt] = await signEnvelope(given, here(), PASSPHRASE);
  const refused = (over) => assert.throws(() => verify({ ...given, ...over }, here()), (problem) => problem.kind === 'message');
  refused({ message: vectors.contract.message });
  refused({ message: drill.message.replace('judge-dee', 'another') });
  agrees(psbt, lock, [10_000], 'arbitrator', drill.forms[0].sighash, drill.forms[0].signed[0].signatures);
});

/** In the order of the inputs (BIP-69). */
const amountsOf = (vector) => [...vector.funding].sort((a, b) => (a.outpoint < b.outpoint ? -1 : 1)).map((one) => one.sat);

for (const vector of vectors.payouts) {
  test(`payout: ${vector.name}`, async () => {
    const contract = vector.contract ?? vectors.contract.text;
    const psbts = vector.steps.map((one) => ({ step: one.steps[0], base64: one.psbt, txid: one.txid }));
    const payout = { kind: vector.kind, buyer_sat: vector.buyer_sat ?? 0, seller_sat: vector.seller_sat ?? 0 };
    const ruling = vector.kind === 'ruling' ? canonical({ ...JSON.parse(vectors.ruling.text), contract: sha256Hex(contract), buyer_sat: payout.buyer_sat, seller_sat: payout.seller_sat }) : null;
    const ruling_signature = ruling && signHere(ruling, 'ruling', ['arbitrator']).arbitrator;
    for (const role of new Set(vector.steps[0].signed.map((one) => one.role))) {
      const given = await envelope('payout', role, contract, { psbts, payout, funding: vector.funding, ruling, ruling_signature });
      // The desk's own signatures of the very ruling of the vectors, in either form.
      if (ruling === vectors.ruling.text) for (const form of vectors.ruling.forms) verify({ ...given, ruling_signature: form.signed[0].psbt }, here());
      const plan = verify(given, here());
      assert.equal(plan.jobs.length, vector.steps.length);
      const done = await signEnvelope(given, here(), PASSPHRASE);
      vector.steps.forEach((step, at) => {
        const { signatures } = step.signed.find((one) => one.role === role);
        agrees(done[at], tradeLock, amountsOf(vector), role, step.sighash, signatures);
      });
    }
  });
}
