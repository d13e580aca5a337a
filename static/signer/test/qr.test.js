import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeQR } from 'qr';
import { decodeQR } from 'qr/decode.js';
import { pathOf, paymentUri } from '../src/ui-qr.js';

const ADDRESS = 'bcrt1qzpvzgwysewv85lfx8jf9zrz522zydfweu7u7jgq7kfmhkv5yk6aqujauvv';

test('the code that is drawn reads back as address and exact amount', () => {
  const uri = paymentUri(ADDRESS, 1_003_000);
  assert.equal(uri, `bitcoin:${ADDRESS}?amount=0.01003000`);
  const modules = encodeQR(uri, 'raw', { ecc: 'medium', border: 4 });
  const [size, scale] = [modules.length, 4];
  const data = new Uint8Array((size * scale) ** 2 * 4).fill(255);
  for (const [, x, y] of pathOf(modules).matchAll(/M(\d+) (\d+)h1v1h-1z/gu)) {
    for (let at = 0; at < scale * scale; at += 1) {
      const place = ((Number(y) * scale + Math.floor(at / scale)) * size * scale + Number(x) * scale + (at % scale)) * 4;
      data.fill(0, place, place + 3);
    }
  }
  assert.equal(decodeQR({ width: size * scale, height: size * scale, data }), uri);
});
