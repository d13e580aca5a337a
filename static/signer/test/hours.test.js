import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contractFacts } from '../src/facts.js';
import { hoursInWords, readHours } from '../src/hours.js';
import { verify } from '../src/verify.js';
import { envelope, here } from './story.js';

const office = { days: ['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => ({ day, from: '09:00', to: '17:00' })), zone: 'Europe/Berlin' };
const stated = { arbitrator: null, buyer: office, seller: null };

test('working hours are known and shown in words', async () => {
  const given = await envelope('contract', 'buyer', { change: (c) => { c.hours = stated; } });
  const plan = verify(given, here());
  const shown = Object.fromEntries(contractFacts(plan.contract.fields));
  assert.equal(shown['Working hours of the buyer'], 'Mon–Fri 09:00–17:00, time of Europe/Berlin');
  assert.equal(shown['Working hours of the seller'], 'none stated: day and night');
  assert.match(shown['What they mean'], /three times/u);
  const none = verify(await envelope('contract', 'buyer'), here());
  assert.match(Object.fromEntries(contractFacts(none.contract.fields))['Working hours'], /day and night/u);
});

test('the words are those of the desk', () => {
  const day = (day, from, to) => ({ day, from, to });
  const odd = { days: [day('mon', '09:00', '17:00'), day('wed', '09:00', '17:00'), day('sat', '22:00', '02:00'), day('sun', '10:00', '00:00')], zone: 'UTC' };
  assert.equal(hoursInWords(odd), 'Mon 09:00–17:00, Wed 09:00–17:00, Sat 22:00–02:00 next day, Sun 10:00–24:00, time of UTC');
});

test('hours that this page does not know are refused', async () => {
  const change = (hours) => envelope('contract', 'buyer', { change: (c) => { c.hours = hours; } });
  const week = (edit) => { const one = structuredClone(office); edit(one); return { ...stated, buyer: one }; };
  for (const odd of [
    {}, [], 'always', { ...stated, buyer: null }, { ...stated, desk: null }, { buyer: office, seller: null },
    week((w) => { w.days = []; }), week((w) => { w.days.reverse(); }), week((w) => { w.days[1].day = 'mon'; }), week((w) => { w.days[0].from = '9:00'; }),
    week((w) => { w.days[0].to = '24:00'; }), week((w) => { w.zone = ''; }), week((w) => { w.zone = 'Europe/Berlin '; }), week((w) => { w.pause = '12:00'; }),
    week((w) => { w.days[0].pause = null; }),
  ]) {
    assert.throws(() => readHours(odd), { name: 'Refusal' }, JSON.stringify(odd));
    const given = await change(odd);
    assert.throws(() => verify(given, here()), { name: 'Refusal' }, JSON.stringify(odd));
  }
});
