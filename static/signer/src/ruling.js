/** The arbitrator’s ruling: its text is read strictly, and what follows it is signed only where he has signed that very text. */

import { parseCanonical } from './canonical.js';
import { checkMessageSignature } from './message.js';
import { sha256Hex } from './bytes.js';
import { insist } from './refusal.js';

const FIELDS = ['buyer_sat', 'contract', 'created', 'desk', 'evidence', 'facts', 'reasons', 'seller_sat', 'trade', 'v'];

/** @param {any} envelope @param {import('./contract.js').Contract} contract */
export function readRuling(envelope, contract) {
  insist(typeof envelope.ruling === 'string', 'ruling', 'The desk did not send the text of the ruling.');
  const ruling = parseCanonical(envelope.ruling, 'ruling');
  insist(ruling.v === 1 && Object.keys(ruling).sort().join() === FIELDS.join(), 'ruling', 'The ruling has other fields than this page knows.');
  const same = ruling.trade === contract.fields.trade && ruling.desk === contract.fields.desk && ruling.contract === contract.hash;
  insist(same, 'ruling', 'This ruling belongs to another trade or to another contract.');
  return ruling;
}

/** The message that the arbitrator signs. @param {string} text @param {import('./contract.js').Contract} contract */
export const rulingMessage = (text, { fields }) => `${fields.desk} trade ${fields.trade} ruling ${sha256Hex(text)}`;

/**
 * The same, and refuses unless the arbitrator has signed exactly this text. He does so before any payout of it is signed, his own
 * signature too.
 * @param {any} envelope @param {import('./contract.js').Contract} contract
 */
export function readSignedRuling(envelope, contract) {
  const ruling = readRuling(envelope, contract);
  const { ruling_signature: signature } = envelope;
  insist(typeof signature === 'string', 'signature', 'The desk did not send the arbitrator’s signature of this ruling, so it may not be his. Nothing is signed.');
  checkMessageSignature(signature, rulingMessage(envelope.ruling, contract), contract.lock, contract.lock.pubkeys.arbitrator, 'arbitrator', 'ruling');
  return ruling;
}
