/**
 * Canonical JSON as contracts, records and rulings use it (RFC 8785 for what is allowed here): ASCII keys, sorted, no blanks;
 * objects, arrays, strings, integers from 0 to 2^53−1, booleans and null. The bytes that are hashed are the bytes that are read.
 */

import { insist, orRefuse, refuse } from './refusal.js';
import { utf8 } from './bytes.js';

export const BYTES_MAX = 16 * 1024;
/** Control, bidirectional-override and unpaired surrogate characters have no business in an agreement. */
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ufff9-\ufffb]|\p{Surrogate}/u;

/** @param {any} value @returns {string} */
export function canonical(value) {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? String(value) : refuse('contract', 'A number in this text is not a whole number.');
  if (typeof value === 'string') {
    insist(!FORBIDDEN.test(value) && value === value.normalize('NFC'), 'contract', 'This text holds characters that are not allowed in an agreement.');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const keys = Object.keys(value).sort();
  insist(keys.every((key) => /^[\x20-\x7e]*$/u.test(key)), 'contract', 'A field of this text has a name that is not plain ASCII.');
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}

/**
 * Reads a text and refuses it unless it is exactly its own canonical form: that leaves no room for fields given twice,
 * other orders, blanks or spellings of a number.
 * @param {string} text @param {string} name for the words, such as “contract” @returns {any}
 */
export function parseCanonical(text, name) {
  insist(utf8(text).length <= BYTES_MAX, 'contract', `The ${name} is longer than 16 KiB.`);
  const value = orRefuse('contract', `The ${name} is not readable.`, () => JSON.parse(text));
  insist(value !== null && typeof value === 'object' && !Array.isArray(value), 'contract', `The ${name} is not readable.`);
  insist(canonical(value) === text, 'contract', `The ${name} is not in its canonical form, so its hash could stand for another reading of it.`);
  return value;
}
