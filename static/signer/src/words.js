/** Amounts, addresses and acts as people read them. */

/** Between groups of digits, and before a unit: no line breaks there. */
const [GAP, BEFORE_UNIT] = ['\u202f', '\u00a0'];

/** @param {string} digits */
const inThrees = (digits) => digits.replace(/\B(?=(\d{3})+$)/gu, GAP);

/** `856214n` → `0.00 856 214 BTC`. @param {bigint|number} sat */
export function btc(sat) {
  const digits = BigInt(sat).toString().padStart(9, '0');
  const [whole, part] = [digits.slice(0, -8), digits.slice(-8)];
  return `${inThrees(whole)}.${part.slice(0, 2)}${GAP}${part.slice(2, 5)}${GAP}${part.slice(5)}${BEFORE_UNIT}BTC`;
}

/** `58712.20`, `EUR` → `58 712.20 EUR`. @param {string} amount @param {string} currency */
export function fiat(amount, currency) {
  const [whole, decimals] = amount.split('.');
  return `${inThrees(whole)}${decimals === undefined ? '' : `.${decimals}`}${BEFORE_UNIT}${currency}`;
}

/** A moment with its time zone, the reader's own if none is named. @param {string} iso @param {string} [timeZone] */
export function moment(iso, timeZone) {
  const style = /** @type {const} */ ({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' });
  return new Intl.DateTimeFormat('en-GB', { ...style, timeZone }).format(new Date(iso));
}

/** `856214` → `0.00856214`, as wallets take it. @param {number} sat */
export function plainBtc(sat) {
  const digits = BigInt(sat).toString().padStart(9, '0');
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`;
}

/** `bcrt1qabcd…` in groups of four. @param {string} address */
export const grouped = (address) => address.match(/.{1,4}/gu)?.join(' ') ?? '';

/** What a payout does, by kind. @type {Record<string, string>} */
export const PAYOUT_NAMES = {
  release: 'Release: the coins go to the buyer',
  refund: 'Refund: the coins go back to the seller',
  settlement: 'Settlement: the coins are split as agreed',
  ruling: 'Ruling: the coins are paid as the arbitrator decided',
  stray: 'Sending back a deposit that does not belong to the trade',
};

/** What the button says, by act or kind of payout. @type {Record<string, string>} */
export const BUTTONS = {
  contract: 'Sign the contract',
  drill: 'Sign the drill',
  proof: 'Sign the proof',
  release: 'Sign the release',
  refund: 'Sign the refund',
  settlement: 'Sign the settlement',
  ruling: 'Sign the ruling',
  stray: 'Sign the refund',
};

/** What a signature means for the one who gives it, said above the passphrase: by kind of payout and role. @type {Record<string, string>} */
export const CONSEQUENCES = {
  'release seller': 'With this signature the coins are the buyer’s. Sign only if the money is in your own account, in full and from the right name.',
  'refund buyer': 'With this signature the coins can go back to the seller, for good. If you have already paid, do not sign; after it, never pay in this trade.',
  'settlement buyer': 'If you accept a division, it is final: never pay in this trade afterwards.',
  'settlement seller': 'If you accept a division, it is final.',
  'stray buyer': 'With this signature the coins named above can go back to the seller, for good, and this page cannot tell an extra payment from the deposit. If you have already paid, sign only when the trade is over or these coins are not the deposit; if they are, never pay in this trade after it.',
  'stray arbitrator': 'With this signature the coins named above can go back to the seller, for good, and this page cannot tell an extra payment from the deposit. Sign only when these coins are not the deposit.',
  'ruling arbitrator': 'After this signature the ruling cannot be withdrawn.',
};

/**
 * A JSON value as label and text pairs, `salt` left out.
 * @param {any} value @param {string} [prefix] @returns {[string, string][]}
 */
export function rowsOf(value, prefix = '') {
  return Object.entries(value).filter(([name]) => name !== 'salt').flatMap(([name, inner]) => {
    const label = prefix ? `${prefix} ${name}` : name;
    if (Array.isArray(inner) && inner.every((one) => typeof one !== 'object')) return [[label, inner.join('\n')]];
    if (inner !== null && typeof inner === 'object') return rowsOf(inner, Array.isArray(inner) || ['fields', 'details'].includes(name) ? prefix : label);
    return inner === null ? [] : [[label, String(inner)]];
  });
}
