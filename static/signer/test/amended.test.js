import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../src/canonical.js';
import { sha256Hex } from '../src/bytes.js';
import { signEnvelope } from '../src/sign.js';
import { verify } from '../src/verify.js';
import { addresses, contractFields, envelope, here, PASSPHRASE } from './story.js';

const kind = (wanted) => (problem) => problem.name === 'Refusal' && (problem.kind === wanted || assert.fail(`${problem.kind}: ${problem.message}`));
const refuses = (given, wanted, at = here()) => assert.throws(() => verify(given, at), kind(wanted));

/** A price that buys whole numbers: 500 euros for a million satoshis. */
const round = (fields) => Object.assign(fields, { price: '50000.00', fiat: '500.00' });
const first = canonical(contractFields(round));

/** The contract's sums for four tenths of it. */
function scaledDown(fields) {
  round(fields);
  Object.assign(fields, {
    supersedes: sha256Hex(first), created: '2026-11-21T23:10:00Z', sign_by: '2026-11-21T23:40:00Z', amount_sat: 400_000, deposit_sat: 401_200, fiat: '200.00',
    desk_fee_sat: { buyer: 800, seller: 1200 }, arbitrator_fee_sat: 4000,
  });
  fields.payouts.release[0].sat = 399_200;
  fields.payouts.release[1].sat = 2000;
  fields.payouts.refund[0].sat = 401_200;
}

/** The same money for a hundredth less. */
function waived(fields) {
  round(fields);
  Object.assign(fields, { supersedes: sha256Hex(first), amount_sat: 990_000, deposit_sat: 992_970, desk_fee_sat: { buyer: 1980, seller: 2970 }, arbitrator_fee_sat: 9900 });
  fields.payouts.release[0].sat = 988_020;
  fields.payouts.release[1].sat = 4950;
  fields.payouts.refund[0].sat = 992_970;
}

async function changed(role, change, superseded = first) {
  return { ...(await envelope('contract', role, { change, signed: [] })), superseded };
}

test('a changed contract says what changes, and what the buyer bears', async () => {
  const plan = verify(await changed('buyer', scaledDown), here());
  assert.ok(plan.checks.some(({ name }) => name === 'superseded'));
  assert.deepEqual(plan.facts[0], ['Changed: The buyer pays', '500.00 EUR → 200.00 EUR']);
  assert.equal(plan.notice, '');
  assert.match(verify(await changed('buyer', waived), here()).notice, /fewer coins: what is missing is your loss/u);
  assert.match(verify(await changed('seller', waived), here()).notice, /same money for fewer coins/u);
});

test('nothing but sums and the deposit window may change', async () => {
  const cases = [
    ['contract', (fields) => (fields.confirmations = 1)], ['contract', (fields) => (fields.windows.payment = 30)], ['contract', (fields) => (fields.windows.deposit = 60)],
    ['contract', (fields) => (fields.terms = ['Other terms.'])], ['contract', (fields) => (fields.reference = 'OTHER')], ['contract', (fields) => (fields.fiat = '201.00')],
    ['contract', (fields) => (fields.fiat = '600.00')], ['contract', (fields) => (fields.price = '60000.00')],
    ['address', (fields) => (fields.payouts.release[0].address = addresses.thief)], ['address', (fields) => (fields.payouts.release[1].address = addresses.thief)],
    ['contract', (fields) => (Object.assign(fields, { desk_fee_sat: { buyer: 801, seller: 1200 } }), (fields.payouts.release[0].sat = 399_199), (fields.payouts.release[1].sat = 2001))],
  ];
  for (const [wanted, alter] of cases) refuses(await changed('buyer', (fields) => (scaledDown(fields), alter(fields))), wanted);
  refuses(await changed('buyer', scaledDown, canonical(contractFields())), 'contract');
  refuses(await changed('buyer', scaledDown, null), 'contract');
});

test('more than a twentieth is not waived', async () => {
  const much = (fields) => {
    waived(fields);
    Object.assign(fields, { amount_sat: 940_000, deposit_sat: 942_820, desk_fee_sat: { buyer: 1880, seller: 2820 }, arbitrator_fee_sat: 9400 });
    Object.assign(fields.payouts.release[0], { sat: 938_120 });
    Object.assign(fields.payouts.release[1], { sat: 4700 });
    Object.assign(fields.payouts.refund[0], { sat: 942_820 });
  };
  refuses(await changed('buyer', much), 'contract');
});

test('this browser signs a second contract only if it supersedes one that it signed', async () => {
  const at = here();
  const before = await envelope('contract', 'buyer', { change: round, signed: [] });
  await signEnvelope(before, at, PASSPHRASE);
  const other = await envelope('contract', 'buyer', { change: (fields) => (round(fields), (fields.hold = 5)), signed: [] });
  refuses(other, 'reuse', at);
  // A proposal that came to nothing does not stand in the way of the next one.
  for (const change of [waived, scaledDown]) assert.equal((await signEnvelope(await changed('buyer', change), at, PASSPHRASE)).length, 1);
  const elsewhere = await changed('buyer', (fields) => (scaledDown(fields), (fields.supersedes = '11'.repeat(32))));
  refuses(elsewhere, 'reuse', at);
});
