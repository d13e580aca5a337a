/** Working hours in a contract: read strictly, said in words. Windows count only inside them; this page computes none. */

import { insist } from './refusal.js';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const NAMES = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const ROLES = ['arbitrator', 'buyer', 'seller'];
const TIME = /^([01]\d|2[0-3]):[0-5]\d$/u;
const ZONE = /^[A-Za-z0-9][A-Za-z0-9/_+-]{0,63}$/u;

/** @typedef {{day: string, from: string, to: string}} Day @typedef {{days: Day[], zone: string}} Week */

/** @param {any} value @param {string[]} names */
const hasJust = (value, names) => value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).sort().join() === names.join();

/** @param {any} week @returns {boolean} */
function isWeek(week) {
  if (!hasJust(week, ['days', 'zone']) || typeof week.zone !== 'string' || !ZONE.test(week.zone) || !Array.isArray(week.days)) return false;
  const places = week.days.map((/** @type {any} */ one) => (hasJust(one, ['day', 'from', 'to']) && TIME.test(one.from) && TIME.test(one.to) ? DAYS.indexOf(one.day) : -1));
  return places.length > 0 && places.every((/** @type {number} */ place, /** @type {number} */ at) => place > (at === 0 ? -1 : places[at - 1]));
}

/**
 * Refuses hours that this page could not say in words.
 * @param {any} hours @returns {Record<string, Week|null>|null}
 */
export function readHours(hours) {
  if (hours === null) return null;
  const known = hasJust(hours, ROLES) && ROLES.every((role) => hours[role] === null || isWeek(hours[role])) && ROLES.some((role) => hours[role] !== null);
  insist(known, 'contract', 'The contract states working hours in a way that this page does not know.');
  return hours;
}

/** `Mon–Fri 09:00–17:00, Sat 22:00–02:00 next day, time of Europe/Berlin`. @param {Week} week */
export function hoursInWords({ days, zone }) {
  /** @type {{first: number, last: number, from: string, to: string}[]} */
  const groups = [];
  for (const { day, from, to } of days) {
    const place = DAYS.indexOf(day);
    const last = groups.at(-1);
    if (last && last.last === place - 1 && last.from === from && last.to === to) last.last = place;
    else groups.push({ first: place, last: place, from, to });
  }
  const words = groups.map(({ first, last, from, to }) => {
    const end = to === '00:00' ? '24:00' : `${to}${to <= from ? ' next day' : ''}`;
    return `${first === last ? NAMES[first] : `${NAMES[first]}–${NAMES[last]}`} ${from}–${end}`;
  });
  return `${words.join(', ')}, time of ${zone}`;
}

/** Labels and values for the page. @param {any} hours @returns {[string, string][]} */
export function hoursFacts(hours) {
  const read = readHours(hours);
  if (read === null) return [['Working hours', 'none stated: every window runs day and night']];
  const line = (/** @type {string} */ role) => /** @type {[string, string]} */ ([`Working hours of the ${role}`, read[role] ? hoursInWords(read[role]) : 'none stated: day and night']);
  return [...['buyer', 'seller', 'arbitrator'].map(line), ['What they mean', 'Each one’s windows count only inside their hours, and last at most three times their length.']];
}
