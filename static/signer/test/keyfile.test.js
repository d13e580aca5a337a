import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { HDKey } from '@scure/bip32';
import { keyFileText, openKeyFile, parseKeyFile, sealKeyFile } from '../src/keyfile.js';
import { checkWords, deriveAccount, newWords, normaliseWords } from '../src/mnemonic.js';
import { stretch, stretchSlowly } from '../src/kdf.js';
import { parseOrigin, parseXpub, sameAccount } from '../src/xpub.js';
import { BITS_MIN, strengthBits } from '../src/strength.js';
import { suggestedPassphrase } from '../src/ui-passphrase.js';
import { secretIn } from '../src/secrets.js';
import { registeredFor, restoreFile } from '../src/ui-restore.js';

const ABANDON = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about';
const PASSPHRASE = 'orbit maple quiet lantern sugar window';
const refused = (kind) => (problem) => problem.name === 'Refusal' && problem.kind === kind;

async function sealed(over = {}) {
  const key = deriveAccount(ABANDON, 'regtest', 0);
  return sealKeyFile({ words: ABANDON, passphrase: PASSPHRASE, account: 'anna-k', network: 'regtest', origin: key.origin, xpub: key.xpub, ...over });
}

test('words give the account key that other wallets derive', () => {
  // m/48'/0'/0'/2' of the BIP-39 test words, as Sparrow and Coldcard show it.
  const key = deriveAccount(ABANDON, 'bitcoin', 0);
  assert.equal(key.origin, "[73c5da0a/48'/0'/0'/2']");
  assert.equal(key.xpub, 'xpub6DkFAXWQ2dHxq2vatrt9qyA3bXYU4ToWQwCHbf5XB2mSTexcHZCeKS1VZYcPoBd5X8yVcbXFHJR9R8UCVpt82VX1VhR28mCyxUFL4r6KFrf');
  assert.equal(deriveAccount(ABANDON, 'regtest', 7).origin, "[73c5da0a/48'/1'/7'/2']");
});

test('new words are twelve, valid and never the same', () => {
  const [first, second] = [newWords(), newWords()];
  checkWords(first);
  assert.notEqual(first, second);
});

test('typed words are forgiven their blanks, capitals and numbers', () => {
  assert.equal(normaliseWords('  1. Abandon 2. ABILITY\n3. able '), 'abandon ability able');
});

test('wrong words are named', () => {
  assert.throws(() => checkWords('abandon abandon'), refused('words'));
  assert.throws(() => checkWords(ABANDON.replace('about', 'abuot')), /Word 12, “abuot”/u);
  assert.throws(() => checkWords(ABANDON.replace('about', 'abandon')), refused('words'));
});

test('a key file opens with its passphrase and with nothing else', async () => {
  const file = parseKeyFile(keyFileText(await sealed()));
  const { m_kib, t, p, name } = file.kdf;
  assert.deepEqual({ name, m_kib, t, p }, { name: 'argon2id', m_kib: 65536, t: 3, p: 1 });
  assert.equal(file.ciphertext.includes('abandon'), false);
  assert.equal((await openKeyFile(file, PASSPHRASE)).words, ABANDON);
  await assert.rejects(openKeyFile(file, `${PASSPHRASE} `), refused('passphrase'));
});

test('a key file of another account or network does not open: the names are authenticated', async () => {
  const file = await sealed();
  await assert.rejects(openKeyFile({ ...file, account: 'mallory' }, PASSPHRASE), refused('passphrase'));
  await assert.rejects(openKeyFile({ ...file, network: 'signet' }, PASSPHRASE), refused('passphrase'));
});

test('a key file with another public key written on it is not used', async () => {
  const other = deriveAccount(newWords(), 'regtest', 0);
  await assert.rejects(openKeyFile({ ...(await sealed()), origin: other.origin, xpub: other.xpub }, PASSPHRASE), refused('key'));
});

test('weaker encryption parameters are refused before anything is derived', async () => {
  const file = await sealed();
  for (const weaker of [{ m_kib: 8 }, { t: 1 }, { name: 'argon2d' }, { p: 2 }]) {
    const text = keyFileText({ ...file, kdf: { ...file.kdf, ...weaker } });
    assert.throws(() => parseKeyFile(text), refused('file'));
  }
  assert.throws(() => parseKeyFile('{"v":1}'), refused('file'));
  assert.throws(() => parseKeyFile('no'), refused('file'));
});

test('the slow derivation gives the same bytes as the fast one', async () => {
  const salt = new Uint8Array(16).fill(7);
  assert.deepEqual(await stretch('ﬁne', salt), await stretchSlowly(new TextEncoder().encode('fine'), salt));
});

test('restore takes only the registered key', async () => {
  const key = deriveAccount(ABANDON, 'regtest', 3);
  const page = { account: 'anna-k', network: 'regtest', account_number: 4, registered: [{ origin: key.origin, xpub: key.xpub }], mode: 'restore' };
  assert.equal(registeredFor(page, ABANDON).account, 3);
  assert.throws(() => registeredFor(page, newWords()), refused('key'));
  const file = keyFileText(await sealed({ origin: key.origin, xpub: key.xpub }));
  assert.equal((await restoreFile(page, file, PASSPHRASE)).xpub, key.xpub);
  await assert.rejects(restoreFile(page, keyFileText(await sealed()), PASSPHRASE), refused('key'));
  await assert.rejects(restoreFile({ ...page, account: 'bert' }, file, PASSPHRASE), refused('file'));
});

test('public keys are compared as keys, not as text', () => {
  const key = deriveAccount(ABANDON, 'bitcoin', 0);
  const zpub = 'Zpub74Jru6aftwwHxCUCWEvP6DgrfFsdA4U6ZRtQ5i8qJpMcC39yZGv3egBhQfV3MS9pZtH5z8iV5qWkJsK6ESs6mSzt4qvGhzJxPeeVS2e1zUG';
  assert.equal(sameAccount(zpub, key.xpub, 'bitcoin'), true);
  assert.throws(() => parseXpub(key.xpub, 'regtest'), refused('key'));
  assert.throws(() => parseXpub('xpub', 'bitcoin'), refused('key'));
  assert.throws(() => parseOrigin("[73c5da0a/84'/0'/0']"), refused('key'));
  assert.equal(parseOrigin("[73c5da0a/48'/0'/0'/2'/17]").level, 17);
});

test('the gate lets six random words through and stops what people usually take', () => {
  for (const good of [PASSPHRASE, 'hT9$wq-2Lx!vR4z&Pk7', 'cobalt!river7Marsh;lumen-apex 42 tulip']) assert.ok(strengthBits(good) >= BITS_MIN, good);
  const weak = ['', 'password', 'Password1234!', 'qwertyuiop1234567890', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'correct horse battery staple', 'abcdefghijklmnopqrstuvwxyz', 'maple maple maple maple maple maple maple maple', 'orbit maple quiet lantern sugar'];
  for (const bad of weak) assert.ok(strengthBits(bad) < BITS_MIN, `${bad}: ${strengthBits(bad)}`);
});

test('private keys and seed words are noticed, public keys and talk are not', () => {
  const root = HDKey.fromMasterSeed(new Uint8Array(32).fill(9));
  assert.equal(secretIn(`here: ${root.privateExtendedKey}.`), 'a private extended key');
  assert.equal(secretIn(`${root.privateExtendedKey.slice(0, 100)}Q`), 'a private extended key');
  assert.equal(secretIn('cHNidP8BAHE/xprvCAAAAAdDL5LpS9eWCn4aMx7'), null);
  assert.equal(secretIn('KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn'), 'a private key');
  assert.equal(secretIn(`1. ${ABANDON.split(' ').join('\n2. ')}`), 'the words of a wallet');
  assert.equal(secretIn(root.publicExtendedKey), null);
  assert.equal(secretIn('I will be able to pay about five in the evening, but my bank may ask for more time, then tomorrow.'), null);
});

test('a file in the shared vectors opens to its words', async () => {
  const { words, passphrase, file } = JSON.parse(await readFile(new URL('../../../tests/vectors/key-file.json', import.meta.url), 'utf8'));
  assert.equal((await openKeyFile(file, passphrase)).words, words);
});

test('a suggested passphrase always passes the gate', () => {
  for (let time = 0; time < 300; time += 1) {
    const words = suggestedPassphrase();
    assert.equal(words.split(' ').length, 6);
    assert.ok(strengthBits(words) >= BITS_MIN, words);
  }
});
