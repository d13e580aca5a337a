import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../src/canonical.js';
import { descriptorChecksum, rebuildLock } from '../src/lock.js';
import { checkMessageSignature, messageHash } from '../src/message.js';
import { sha256Hex, toHex } from '../src/bytes.js';
import { signEnvelope } from '../src/sign.js';
import { verify } from '../src/verify.js';
import { addresses, details, envelope, here, keyEntries, messagePsbt, N, P, PASSPHRASE, people } from './story.js';

const kind = (wanted) => (problem) => problem.name === 'Refusal' && (problem.kind === wanted || assert.fail(`${problem.kind}: ${problem.message}`));
const refuses = (given, wanted, at = here()) => assert.throws(() => verify(given, at), kind(wanted));

test('BIP-322 message hashes are those of the BIP', () => {
  assert.equal(toHex(messageHash('')), 'c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1');
  assert.equal(toHex(messageHash('Hello World')), 'f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a');
});

test('descriptor checksums are those of BIP-380', () => {
  assert.equal(descriptorChecksum('raw(deadbeef)'), '89f8spxm');
});

test('a contract is checked, signed, and its signature verifies', async () => {
  const given = await envelope('contract', 'buyer', { signed: ['seller'] });
  const at = here();
  const plan = verify(given, at);
  assert.deepEqual(plan.askAddresses, [addresses.buyer]);
  const [psbt] = await signEnvelope(given, at, PASSPHRASE);
  checkMessageSignature(psbt, given.message, plan.lock, plan.lock.pubkeys.buyer, 'buyer', 'contract');
  // The same contract again is no second use; another one for the same number is.
  await signEnvelope(given, at, PASSPHRASE);
  refuses(await envelope('contract', 'buyer', { signed: [], change: (c) => { c.fiat = '500.00'; } }), 'reuse', at);
  const amended = await envelope('contract', 'buyer', { signed: [], change: (c) => { c.windows.deposit = 240; c.supersedes = given.contract_hash; } });
  verify({ ...amended, superseded: given.contract }, at);
});

test('a number used for one trade is refused for the next', async () => {
  const at = here();
  await signEnvelope(await envelope('contract', 'seller', { signed: [] }), at, PASSPHRASE);
  const next = await envelope('contract', 'seller', { signed: [], change: (c) => { c.trade = 'ZZZZZZZZ'; } });
  refuses({ ...next, trade: 'ZZZZZZZZ', message: next.message }, 'reuse', at);
});

test('the arbitrator finds his own key one level deeper', async () => {
  const plan = verify(await envelope('check', 'arbitrator'), here());
  assert.equal(plan.own.level, P);
});

test('a wrong passphrase signs nothing', async () => {
  await assert.rejects(signEnvelope(await envelope('contract', 'buyer'), here(), 'no'), kind('passphrase'));
});

test('both forms of a signature count, another’s key does not', async () => {
  verify(await envelope('check', 'buyer', { form: 'dry-run' }), here());
  const given = await envelope('check', 'buyer');
  const { buyer, seller } = given.contract_signatures;
  refuses({ ...given, contract_signatures: { buyer: seller, seller } }, 'signature');
  refuses({ ...given, contract_signatures: { buyer, seller: null } }, 'signature');
  const lock = rebuildLock(keyEntries(), P, N, 'regtest');
  refuses({ ...given, contract_signatures: { buyer, seller: messagePsbt('another message', lock, 'seller') } }, 'message');
  refuses({ ...given, contract_signatures: { buyer, seller: 'AAAA' } }, 'psbt');
});

test('an address typed on this device needs no second look', async () => {
  const at = here();
  at.store.setItem('trine:address:regtest', JSON.stringify([addresses.buyer]));
  assert.deepEqual(verify(await envelope('contract', 'buyer'), at).askAddresses, []);
});

test('a desk that changes something is refused in its kind', async () => {
  const other = people.seller;
  const cases = [
    ['address', (c) => { c.address = addresses.thief; }],
    ['key', (c) => { c.descriptor = c.descriptor.replace('wsh', 'WSH'); }],
    ['key', (c) => { c.keys[0] = { ...c.keys[0], xpub: other.xpub }; }],
    ['key', (c) => { c.keys = [c.keys[1], c.keys[0], c.keys[2]]; }],
    ['key', (c) => { c.P = 78; }],
    ['key', (c) => { c.N = 4; c.descriptor += ''; c.P = 9999; }],
    ['address', (c) => { c.N = 4; }],
    ['desk', (c) => { c.desk = 'evil.example'; }],
    ['network', (c) => { c.network = 'signet'; }],
    ['contract', (c) => { c.trade = 'ZZZZZZZZ'; }],
    ['contract', (c) => { c.bonds = { a: 1 }; }],
    ['contract', (c) => { c.extra = 1; }],
    ['contract', (c) => { delete c.hold; }],
    ['contract', (c) => { c.buyer = 'mallory'; }],
    ['record', (c) => { c.arbitrator = '11'.repeat(32); }],
    ['contract', (c) => { c.payouts.release[0].sat = 1; }],
    ['contract', (c) => { c.deposit_sat = 2_000_000; }],
    ['contract', (c) => { c.fee_cap_sat = 2_000_000; }],
    ['address', (c) => { c.payouts.release[1].address = addresses.buyer; }],
    ['address', (c) => { c.payouts.refund[0].address = 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq'; }],
    ['address', (c) => { c.payouts.refund[0].address = c.address; }],
    // Taproot, well written, but its key is no point of the curve.
    ['address', (c) => { c.payouts.refund[0].address = 'bcrt1plllllllllllllllllllllllllllllllllllllllllllllllllllse0lp4e'; }],
  ];
  for (const [wanted, change] of cases) refuses(await envelope('contract', 'buyer', { signed: [], change }), wanted);
});

test('what surrounds the contract is checked too', async () => {
  const given = await envelope('contract', 'buyer', { signed: [] });
  refuses({ ...given, contract_hash: '00'.repeat(32) }, 'hash');
  refuses({ ...given, contract: given.contract.replace('{', '{ ') }, 'hash');
  const spaced = given.contract.replace('{', '{ ');
  refuses({ ...given, contract: spaced, contract_hash: sha256Hex(spaced) }, 'contract');
  refuses({ ...given, message: given.message.replace('contract', 'ruling') }, 'message');
  refuses({ ...given, desk: 'evil.example' }, 'desk');
  refuses({ ...given, act: 'gift' }, 'envelope');
  refuses({ ...given, v: 2 }, 'envelope');
  refuses({ ...given, key: { ...given.key, xpub: people.seller.xpub } }, 'key');
  refuses({ ...given, key: { ...given.key, origin: people.seller.origin } }, 'key');
  refuses({ ...given, role: 'seller' }, 'contract');
  refuses({ ...given, record: null }, 'record');
  refuses({ ...given, record: { ...given.record, path: [...given.record.path].reverse() } }, 'record');
  refuses({ ...given, record: { ...given.record, path: given.record.path.slice(1) } }, 'record');
  refuses({ ...given, record: { ...given.record, text: given.record.text.replace('Carol', 'Karol') } }, 'record');
  const text = canonical(details);
  verify({ ...given, payee_details: { text } }, here());
  refuses({ ...given, payee_details: { text: text.replace('DE89', 'DE90') } }, 'details');
  refuses({ ...given, payer_details: { text } }, 'details');
});

test('a payout dressed as a contract’s message is not signed', async () => {
  const given = await envelope('contract', 'buyer', { signed: [] });
  const lock = rebuildLock(keyEntries(), P, N, 'regtest');
  const base64 = messagePsbt('127.0.0.1 trade 7KQ2M4XN contract other', lock, null);
  refuses({ ...given, psbts: [{ step: 1, base64 }] }, 'message');
  refuses({ ...given, psbts: [] }, 'psbt');
});
