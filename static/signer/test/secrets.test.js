import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HDKey } from '@scure/bip32';
import { SigHash, Transaction } from '@scure/btc-signer';
import { concatBytes } from '@noble/hashes/utils.js';
import { rebuildLock } from '../src/lock.js';
import { secretIn } from '../src/secrets.js';
import { fromBase64, toBase64, toHex } from '../src/bytes.js';
import { deposit, keyEntries, N, P } from './story.js';

const WORDS = 'legal winner thank year wave sausage worth useful legal winner thank yellow'.split(' ');
const SECRET = 'the words of a wallet';
const WIF = 'KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn';
const XPRV = HDKey.fromMasterSeed(new Uint8Array(32).fill(9)).privateExtendedKey;
const lock = rebuildLock(keyEntries(), P, N, 'regtest');

/** A payout’s PSBT over a deposit whose other outputs make its base64 hold this text, wherever in it they come to stand. */
function psbtHolding(text) {
  const bytes = fromBase64(`/${text}/`.padEnd(Math.ceil((text.length + 2) / 4) * 4, '/'));
  const coin = deposit(lock, 1_003_000, 1, [0, 1, 2].map((pad) => concatBytes(Uint8Array.of(0x6a), new Uint8Array(pad), bytes, new Uint8Array(3 - pad))));
  const tx = new Transaction({ lowR: true });
  tx.addInput({ txid: coin.txid, index: 0, nonWitnessUtxo: coin.raw, witnessUtxo: { amount: BigInt(coin.sat), script: lock.scriptPubKey }, witnessScript: lock.script, sighashType: SigHash.ALL });
  tx.addOutput({ amount: 1_000_000n, script: lock.scriptPubKey });
  const psbt = tx.toPSBT(0);
  assert.ok(toBase64(psbt).includes(text), 'the deposit’s bytes stand in the PSBT');
  return psbt;
}

const inLines = (text, width) => text.match(new RegExp(`.{1,${width}}`, 'gu')).join('\n');

test('a PSBT is no secret, whatever somebody wrote into the deposit', () => {
  for (const text of ['zoo/'.repeat(14), 'abandon+'.repeat(14), 'zoo1'.repeat(14), `${WIF}/`, `/${XPRV}/`]) {
    const psbt = psbtHolding(text);
    const base64 = toBase64(psbt);
    for (const typed of [base64, toHex(psbt), toHex(psbt).toUpperCase(), `${base64}\n${base64}`, ` ${base64}\r\n`, inLines(base64, 64), inLines(base64, 76)]) {
      assert.equal(secretIn(typed), null, `${text.slice(0, 12)} in ${typed.slice(0, 12)}`);
    }
  }
});

test('letters that hang together by signs of base64 or digits are no words', () => {
  for (const between of ['/', '+', '1', '//', '/7+']) assert.equal(secretIn(WORDS.join(between)), null, between);
  assert.equal(secretIn(`${'zoo/'.repeat(20)} and ${'zoo+'.repeat(20)}`), null);
});

test('a secret beside a PSBT is noticed', () => {
  const base64 = toBase64(psbtHolding('zoo/'.repeat(14)));
  assert.equal(secretIn(`${base64}\n${WORDS.join(' ')}`), SECRET);
  assert.equal(secretIn(`${WORDS.slice(0, 6).join(' ')} ${base64} ${WORDS.slice(6).join(' ')}`), SECRET);
  for (const text of [base64, inLines(base64, 64), inLines(base64, 76)]) {
    assert.equal(secretIn(`${text}\n${WIF}`), 'a private key');
    assert.equal(secretIn(`${XPRV}\n${text}\n${XPRV}`), 'a private extended key');
  }
});

test('the words of a wallet are noticed however they are written down', () => {
  const numbered = (dot) => (word, at) => `${at + 1}${dot}${word}`;
  const forms = [
    ...[' ', '  ', '\t', '\n', '\r\n', ', ', ',', ';', '; ', '-', ' - ', '|', '.', '\u00a0', '", "', '_', '=', ' / ', ' + '].map((between) => WORDS.join(between)),
    ...['. ', '.', ') ', ')', ': ', ':', ' ', '-', '=', '', '/'].flatMap((dot) => ['\n', ' ', ', '].map((between) => WORDS.map(numbered(dot)).join(between))),
    WORDS.map((word, at) => `${word} ${at + 1}`).join(' '),
    WORDS.map((word, at) => `${word}${at + 1}`).join('\n'),
    WORDS.map((word, at) => `${at + 1}/12 ${word}`).join('\n'),
    JSON.stringify(WORDS),
    `my words: ${WORDS.join(' ')}. Keep them!`,
    [...WORDS, ...WORDS].join(' '),
  ];
  for (const form of forms) for (const text of [form, form.toUpperCase()]) assert.equal(secretIn(text), SECRET, text);
  assert.equal(secretIn(WORDS.slice(1).join(' ')), null);
});
