import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigHash, Transaction } from '@scure/btc-signer';
import { canonical } from '../src/canonical.js';
import { divide, divideAt, feeLimits, vbytesOf, weight } from '../src/division.js';
import { rebuildLock } from '../src/lock.js';
import { readTerms, scriptOf } from '../src/terms.js';
import { signEnvelope } from '../src/sign.js';
import { parsePsbt, signatureHolds, signatureOf } from '../src/signature.js';
import { verify } from '../src/verify.js';
import { fromBase64, fromHex, sha256Hex, toBase64, toHex } from '../src/bytes.js';
import { rulingMessage } from '../src/ruling.js';
import { CONSEQUENCES } from '../src/words.js';
import { addresses, contractFields, deposit, envelope, here, keyEntries, messagePsbt, N, P, PASSPHRASE } from './story.js';

const kind = (wanted) => (problem) => problem.name === 'Refusal' && (problem.kind === wanted || assert.fail(`${problem.kind}: ${problem.message}`));
const refuses = (given, wanted) => assert.throws(() => verify(given, here()), kind(wanted));
const lock = rebuildLock(keyEntries(), P, N, 'regtest');
const fields = contractFields();
const terms = readTerms(fields, lock.address);
const hash = sha256Hex(canonical(fields));
const rate = (perVb) => (vbytes) => vbytes * BigInt(perVb);

/** The PSBT of these outputs over these deposits; `twist` edits inputs, outputs or options before it is built. */
function psbtOf(coins, outputs, twist = {}) {
  const tx = new Transaction({ version: twist.version ?? 2, lockTime: twist.lockTime ?? 0, lowR: true });
  const sorted = [...coins].sort((a, b) => (a.txid < b.txid ? -1 : 1));
  for (const coin of sorted) {
    tx.addInput({
      txid: coin.txid, index: 0, sequence: twist.sequence ?? 0xfffffffd, nonWitnessUtxo: coin.raw, witnessUtxo: { amount: BigInt(coin.sat), script: lock.scriptPubKey },
      witnessScript: lock.script, sighashType: twist.sighash ?? SigHash.ALL,
    });
  }
  const byValue = [...outputs].sort((a, b) => (a.amount < b.amount ? -1 : 1));
  for (const { amount, script } of twist.reverse ? byValue.reverse() : byValue) tx.addOutput({ amount, script });
  return toBase64(tx.toPSBT(0));
}

async function payoutEnvelope(role, what, coins, { fee = 5, outputs, twist, parts = {}, given = {} } = {}) {
  const division = outputs ?? divide(terms, { kind: what, buyer: BigInt(parts.buyer ?? 0), seller: BigInt(parts.seller ?? 0) }, coins.reduce((sum, coin) => sum + BigInt(coin.sat), 0n), coins.length, rate(fee));
  return {
    ...(await envelope('payout', role)),
    funding: coins.map((coin) => ({ outpoint: `${coin.txid}:0`, sat: coin.sat, script_hex: toHex(lock.scriptPubKey) })),
    payout: { kind: what, buyer_sat: parts.buyer ?? 0, seller_sat: parts.seller ?? 0, desk_sat: 0, arbitrator_sat: 0 },
    psbts: [{ step: 2, base64: psbtOf(coins, division, twist), txid: '' }],
    ...given,
  };
}

test('sizes are those of the protocol', () => {
  const script = scriptOf(addresses.buyer, 'regtest');
  assert.deepEqual([1, 2, 3].map((outputs) => vbytesOf(weight(1, Array(outputs).fill(script)))), [146n, 177n, 208n]);
  assert.deepEqual(feeLimits(146n, 22_000n, 1_000_000n), { least: 146n, most: 2000n });
});

test('a release pays buyer and desk, and both signatures verify', async () => {
  const coins = [deposit(lock, 1_003_000)];
  const given = await payoutEnvelope('seller', 'release', coins);
  const plan = verify(given, here());
  assert.match(JSON.stringify(plan.facts), /To the buyer/u);
  const [signed] = await signEnvelope(given, here(), PASSPHRASE);
  const tx = parsePsbt(signed, 'it');
  assert.equal(signatureHolds(tx, 0, lock, 1_003_000n, lock.pubkeys.seller, signatureOf(tx, 0, lock.pubkeys.seller)), true);
  assert.equal(signatureHolds(tx, 0, lock, 1_003_000n, lock.pubkeys.buyer, signatureOf(tx, 0, lock.pubkeys.seller)), false);
  // The other side signs the very same PSBT; both stay in it.
  const [both] = await signEnvelope({ ...(await payoutEnvelope('buyer', 'release', coins)), psbts: [{ step: 2, base64: signed, txid: '' }] }, here(), PASSPHRASE);
  assert.equal(parsePsbt(both, 'it').getInput(0).partialSig.length, 2);
});

test('each kind of payout is rebuilt and accepted at each fee', async () => {
  const parts = { buyer: 400_000, seller: 603_000 };
  for (const fee of [1, 7, 60]) {
    for (const coins of [[deposit(lock, 1_003_000)], [deposit(lock, 900_000), deposit(lock, 150_000, 2)]]) {
      verify(await payoutEnvelope('buyer', 'release', coins, { fee }), here());
      verify(await payoutEnvelope('buyer', 'refund', coins, { fee }), here());
      verify(await payoutEnvelope('buyer', 'settlement', coins, { fee, parts }), here());
      verify(await payoutEnvelope('seller', 'stray', coins, { fee }), here());
    }
  }
  const [one] = divide(terms, { kind: 'refund', buyer: 0n, seller: 0n }, 30_000n, 1, rate(5));
  assert.equal(one.to, 'seller');
  verify(await payoutEnvelope('buyer', 'refund', [deposit(lock, 30_000)]), here());
  assert.throws(() => divide(terms, { kind: 'release', buyer: 0n, seller: 0n }, 30_000n, 1, rate(5)), kind('payout'));
});

test('money is neither made nor lost, whatever is split', () => {
  for (let round = 0; round < 3000; round += 1) {
    const total = 1_003_000n + (round % 3 === 0 ? 0n : BigInt(Math.floor(Math.random() * 3000)));
    const buyer = round % 7 === 0 ? BigInt(Math.floor(Math.random() * 1500)) : BigInt(Math.floor(Math.random() * 1_003_000));
    const parts = { kind: round % 2 ? 'ruling' : 'settlement', buyer, seller: 1_003_000n - buyer };
    const inputs = 1 + (round % 4);
    const perVb = rate(1 + (round % 30));
    const outputs = divide(terms, parts, total, inputs, perVb);
    const fee = outputs.reduce((left, one) => left - one.amount, total);
    const vbytes = vbytesOf(weight(inputs, outputs.map((one) => one.script)));
    assert.equal(fee, perVb(vbytes));
    assert.ok(outputs.every((one) => one.amount >= 546n));
    assert.deepEqual(divideAt(terms, parts, total, inputs, fee, vbytes), outputs);
  }
});

test('who was to get nothing gets nothing, however small the other part is', () => {
  const other = { buyer: 'seller', seller: 'buyer' };
  for (const whole of ['buyer', 'seller']) {
    // The longer script of the one who is paid costs more, so the other's output would just not be dust.
    const longer = { ...terms, to: { ...terms.to, [whole]: { ...terms.to[whole], script: new Uint8Array(60) } } };
    for (let total = 600n; total < 1600n; total += 1n) {
      const parts = { kind: 'settlement', buyer: 0n, seller: 0n, [whole]: total };
      let outputs = [];
      try {
        outputs = divide(longer, parts, total, 1, rate(3));
      } catch (problem) {
        kind('payout')(problem);
      }
      assert.ok(outputs.every(({ to }) => to !== other[whole]), `${total} sat for the ${whole}`);
    }
  }
});

/** A ruling that gives these parts, and its signature by `who`. */
function ruled({ buyer, seller }, who = 'arbitrator', form = 'bip322') {
  const ruling = canonical({
    v: 1, desk: '127.0.0.1', trade: '7KQ2M4XN', contract: hash, created: '2026-11-22T10:00:00Z', buyer_sat: buyer, seller_sat: seller,
    facts: ['Half was paid.'], reasons: ['The receipt.'], evidence: [],
  });
  return { ruling, ruling_signature: messagePsbt(rulingMessage(ruling, { fields }), lock, who, form) };
}

test('a ruling is paid as its text says and not otherwise', async () => {
  const coins = [deposit(lock, 1_003_000)];
  const parts = { buyer: 300_000, seller: 703_000 };
  for (const role of ['arbitrator', 'buyer', 'seller']) {
    const given = await payoutEnvelope(role, 'ruling', coins, { parts, given: ruled(parts) });
    const { checks, facts } = verify(given, here());
    assert.ok(checks.some(({ name }) => name === 'ruling'));
    assert.match(JSON.stringify(facts), /Half was paid/u);
    assert.equal((await signEnvelope(given, here(), PASSPHRASE)).length, 1);
    refuses({ ...given, ruling: null }, 'ruling');
    refuses({ ...given, ruling: given.ruling.replace(hash, '00'.repeat(32)) }, 'ruling');
    const other = await payoutEnvelope(role, 'ruling', coins, { parts: { buyer: 310_000, seller: 693_000 }, given: ruled(parts) });
    refuses(other, 'ruling');
    refuses({ ...other, payout: given.payout }, 'payout');
  }
});

test('a ruling that the arbitrator did not sign is not paid', async () => {
  const coins = [deposit(lock, 1_003_000)];
  const [parts, others] = [{ buyer: 300_000, seller: 703_000 }, { buyer: 703_000, seller: 300_000 }];
  for (const role of ['arbitrator', 'buyer', 'seller']) {
    const given = await payoutEnvelope(role, 'ruling', coins, { parts, given: ruled(parts) });
    verify({ ...given, ...ruled(parts, 'arbitrator', 'dry-run') }, here());
    for (const ruling_signature of [null, undefined, '']) refuses({ ...given, ruling_signature }, ruling_signature === '' ? 'psbt' : 'signature');
    for (const who of ['buyer', 'seller', null]) refuses({ ...given, ...ruled(parts, who) }, 'signature');
    // Another ruling, whole in itself, beside the signature of the one he made; and a word of his reasons.
    refuses(await payoutEnvelope(role, 'ruling', coins, { parts: others, given: { ...ruled(others), ruling_signature: given.ruling_signature } }), 'message');
    refuses({ ...given, ruling: given.ruling.replace('receipt', 'promise') }, 'message');
    // He signed, but something else.
    refuses({ ...given, ruling_signature: messagePsbt(`127.0.0.1 trade 7KQ2M4XN contract ${sha256Hex(given.ruling)}`, lock, 'arbitrator') }, 'message');
    refuses({ ...given, ruling_signature: given.psbts[0].base64 }, 'message');
  }
});

test('a ruling is signed as a message after its text was read', async () => {
  const ruling = canonical({
    v: 1, desk: '127.0.0.1', trade: '7KQ2M4XN', contract: hash, created: '2026-11-22T10:00:00Z', buyer_sat: 0, seller_sat: 1_003_000, facts: ['Nothing came.'], reasons: ['None.'], evidence: [],
  });
  const message = `127.0.0.1 trade 7KQ2M4XN ruling ${sha256Hex(ruling)}`;
  const given = { ...(await envelope('ruling', 'arbitrator')), ruling, message, psbts: [{ step: 1, base64: messagePsbt(message, lock, null), txid: '' }] };
  assert.equal((await signEnvelope(given, here(), PASSPHRASE)).length, 1);
  refuses({ ...given, ruling: ruling.replace('Nothing', 'All') }, 'message');
});

test('a changed transaction is never signed', async () => {
  const coins = [deposit(lock, 1_003_000)];
  const good = divide(terms, { kind: 'release', buyer: 0n, seller: 0n }, 1_003_000n, 1, rate(5));
  const changed = (edit) => { const outputs = good.map((one) => ({ ...one })); edit(outputs); return outputs; };
  const thief = scriptOf(addresses.thief, 'regtest');
  const cases = [
    ['payout', changed((o) => { o[0].script = thief; })],
    ['payout', changed((o) => { o[0].amount -= 1000n; o.push({ amount: 1000n, script: thief }); })],
    ['payout', changed((o) => { o[0].amount -= 10_000n; o[1].amount += 10_000n; })],
    ['payout', changed((o) => { o[0].amount -= 1n; o[1].amount += 1n; })],
    ['payout', changed((o) => { [o[0].amount, o[1].amount] = [o[1].amount, o[0].amount]; })],
    ['fee', changed((o) => { o[0].amount -= 30_000n; })],
    ['fee', changed((o) => { o[0].amount += 800n; })],
    ['payout', changed((o) => { o.pop(); o[0].amount += 5000n; })],
  ];
  for (const [wanted, outputs] of cases) refuses(await payoutEnvelope('seller', 'release', coins, { outputs }), wanted);
  for (const twist of [{ sighash: SigHash.NONE }, { sighash: SigHash.SINGLE }, { sighash: SigHash.ALL_ANYONECANPAY }]) refuses(await payoutEnvelope('seller', 'release', coins, { twist }), 'psbt');
  for (const twist of [{ version: 1 }, { lockTime: 5 }, { sequence: 0xffffffff }, { reverse: true }]) refuses(await payoutEnvelope('seller', 'release', coins, { twist }), 'payout');
});

test('the deposit is the one of this escrow, all of it and nothing else', async () => {
  const coins = [deposit(lock, 1_003_000), deposit(lock, 20_000, 2)];
  const given = await payoutEnvelope('seller', 'release', coins);
  refuses({ ...given, funding: given.funding.slice(1) }, 'payout');
  refuses({ ...given, funding: [given.funding[0], given.funding[0]] }, 'payout');
  refuses({ ...given, funding: [] }, 'payout');
  refuses({ ...given, funding: given.funding.map((one) => ({ ...one, sat: one.sat + 1 })) }, 'payout');
  refuses({ ...given, funding: given.funding.map((one) => ({ ...one, script_hex: '0014' })) }, 'payout');
  refuses({ ...given, payout: { ...given.payout, kind: 'refund' } }, 'payout');
  refuses({ ...given, payout: { ...given.payout, kind: 'gift' } }, 'payout');
  refuses({ ...given, psbts: [given.psbts[0], given.psbts[0]] }, 'psbt');
  refuses({ ...given, psbts: [{ ...given.psbts[0], txid: '00'.repeat(32) }] }, 'psbt');
  refuses({ ...given, contract_signatures: { ...given.contract_signatures, seller: null } }, 'signature');
});

test('a deposit’s own transaction may be missing, or as long as its payer made it', async () => {
  const coin = deposit(lock, 1_003_000);
  const long = deposit(lock, 1_003_000, 2, Array(3000).fill(new Uint8Array(200).fill(0x6a)));
  for (const coins of [[{ ...coin, raw: undefined }], [long], [{ ...coin, raw: undefined }, long]]) {
    const given = await payoutEnvelope('seller', 'refund', coins);
    assert.equal(given.psbts[0].base64.length > 400_000, coins.includes(long));
    const [signed] = await signEnvelope(given, here(), PASSPHRASE);
    const tx = parsePsbt(signed, 'it');
    coins.forEach((_, place) => assert.equal(signatureHolds(tx, place, lock, 1_003_000n, lock.pubkeys.seller, signatureOf(tx, place, lock.pubkeys.seller)), true));
    assert.ok(signed.length < 2000 * coins.length, 'what goes back has no previous transactions');
    refuses({ ...given, funding: given.funding.map((one) => ({ ...one, sat: one.sat + 1 })) }, 'payout');
  }
  const tooLong = deposit(lock, 1_003_000, 3, [new Uint8Array(3_000_000)]);
  refuses(await payoutEnvelope('seller', 'refund', [tooLong]), 'psbt');
});

/** A payout’s PSBT with these bytes as its only input’s previous transaction, whatever they are. */
function withPrevious(base64, raw) {
  const psbt = toHex(fromBase64(base64));
  const at = psbt.search(/01012b[0-9a-f]{16}220020/u);
  const length = toHex(Uint8Array.of(raw.length & 255, raw.length >> 8));
  assert.ok(at > 0 && raw.length > 252);
  return toBase64(fromHex(`${psbt.slice(0, at)}0100fd${length}${toHex(raw)}${psbt.slice(at)}`));
}

test('a previous transaction that is there is the deposit’s and says its amount', async () => {
  const note = [new Uint8Array(300).fill(0x6a)];
  const [coin, other] = [deposit(lock, 1_003_000, 1, note), deposit(lock, 1_003_000, 2, note)];
  const given = await payoutEnvelope('seller', 'refund', [{ ...coin, raw: undefined }]);
  const over = (envelope, raw) => ({ ...envelope, psbts: [{ step: 2, base64: withPrevious(envelope.psbts[0].base64, raw), txid: '' }] });
  verify(over(given, coin.raw), here());
  refuses(over(given, other.raw), 'psbt');
  const lie = await payoutEnvelope('seller', 'refund', [{ ...coin, sat: 1_004_000, raw: undefined }]);
  verify(lie, here());
  refuses(over(lie, coin.raw), 'psbt');
});

test('whoever signs the refund of an extra payment is told which coins go, and that they could be the deposit', async () => {
  const coin = deposit(lock, 1_003_000);
  for (const role of ['buyer', 'arbitrator']) {
    const { facts } = verify(await payoutEnvelope(role, 'stray', [coin]), here());
    assert.deepEqual(facts.find(([label]) => label === 'Coins that go back'), ['Coins that go back', `0.01\u202f003\u202f000\u00a0BTC\n${coin.txid}:0`]);
    assert.match(CONSEQUENCES[`stray ${role}`], /cannot tell an extra payment from the deposit/u);
  }
  assert.match(CONSEQUENCES['stray buyer'], /already paid.*never pay in this trade/u);
  assert.equal(CONSEQUENCES['stray seller'], undefined);
  const { facts } = verify(await payoutEnvelope('buyer', 'refund', [coin]), here());
  assert.ok(!facts.some(([label]) => label === 'Coins that go back'));
});
