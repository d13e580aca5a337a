import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contractFacts, payoutFacts } from '../src/facts.js';
import { btc, fiat, moment } from '../src/words.js';
import { contractFields } from './story.js';

test('sums are in groups, and no line breaks inside them', () => {
  assert.equal(btc(123_400_000_000n), '1\u202f234.00\u202f000\u202f000\u00a0BTC');
  assert.equal(fiat('58712.20', 'EUR'), '58\u202f712.20\u00a0EUR');
  assert.equal(fiat('1000', 'JPY'), '1\u202f000\u00a0JPY');
});

test('a moment is readable and names its zone', () => {
  assert.equal(moment('2026-11-22T02:12:22Z', 'UTC'), '22 Nov 2026, 02:12 UTC');
  assert.match(moment('2026-11-22T02:12:22Z', 'Europe/Berlin'), /^22 Nov 2026, 03:12 (GMT\+1|CET)$/u);
});

test('the way to pay is named, and the contract’s own word stays beside it', () => {
  const { method } = contractFields();
  const pays = (name) => contractFacts(contractFields(), name).find(([label]) => label === 'The buyer pays')[1];
  assert.ok(pays('SEPA transfer').endsWith(`by SEPA transfer (in the contract: ${method})`));
  assert.ok(pays(undefined).endsWith(`by ${method}`));
});

test('of several fees the usual one is shown first, the others are kept for whoever asks', () => {
  const at = (step, fee) => ({ step, fee, txid: `tx${step}`, outputs: [{ to: 'buyer', address: 'bcrt1qabcd', amount: 1_000_000n - fee }] });
  const contract = { fields: { trade: '7KQ2M4XN' } };
  const told = payoutFacts({ payout: { kind: 'release' } }, contract, [at(1, 100n), at(2, 200n), at(5, 500n)]);
  assert.deepEqual(told.steps.map(({ usual }) => usual), [false, true, false]);
  assert.deepEqual(told.steps[2].facts.at(-1), ['Transaction', 'tx5']);
  assert.match(told.facts.at(-1)[1], /^3 versions/u);
  const alone = payoutFacts({ payout: { kind: 'release' } }, contract, [at(2, 200n)]);
  assert.equal(alone.steps.length, 0);
  assert.deepEqual(alone.facts.at(-1), ['Transaction', 'tx2']);
});
