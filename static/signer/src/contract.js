/** The contract: read strictly, its keys rebuilt, everything else compared. */

import { parseCanonical } from './canonical.js';
import { checkMessageSignature } from './message.js';
import { checkRecord } from './record.js';
import { readHours } from './hours.js';
import { rebuildLock, ROLES } from './lock.js';
import { network } from './network.js';
import { readTerms } from './terms.js';
import { sameAccount, parseXpub } from './xpub.js';
import { sha256Hex } from './bytes.js';
import { insist, refuse } from './refusal.js';

/** Every field, all present; a field added later is refused because this page does not know what it means. */
export const FIELDS = Object.freeze([
  'N', 'P', 'address', 'amount_sat', 'arbitrator', 'arbitrator_fee_sat', 'bonds', 'buyer', 'chat_keys', 'confirmations', 'created', 'currency',
  'deposit_sat', 'descriptor', 'desk', 'desk_fee_sat', 'details', 'fee_cap_sat', 'feerate', 'fiat', 'group', 'hold', 'hours', 'keys', 'maker',
  'method', 'network', 'offer', 'offer_version', 'payer', 'payouts', 'price', 'reference', 'rules', 'seller', 'sign_by', 'supersedes', 'terms', 'trade', 'v', 'windows',
]);
/** Fields that this page can show but not check; it signs only where they are unused. */
const UNKNOWN = ['bonds', 'chat_keys', 'group'];

/** @typedef {{text: string, hash: string, fields: any, lock: import('./lock.js').Lock, terms: import('./terms.js').Terms}} Contract */

/**
 * Reads the contract of an envelope and rebuilds its script and address.
 * @param {any} envelope @param {string} hostname @returns {Contract}
 */
export function readContract(envelope, hostname) {
  insist(typeof envelope.contract === 'string', 'contract', 'The desk did not send the contract, so nothing can be checked.');
  const hash = sha256Hex(envelope.contract);
  insist(hash === envelope.contract_hash, 'hash', 'The contract’s text and its hash do not belong together.');
  const fields = parseCanonical(envelope.contract, 'contract');
  insist(fields.v === 1 && Object.keys(fields).sort().join() === [...FIELDS].sort().join(), 'contract', 'The contract has other fields than this page knows.');
  const strange = UNKNOWN.find((name) => fields[name] !== null);
  insist(!strange, 'contract', `The contract uses “${strange}”, which this page does not know and so cannot check.`);
  readHours(fields.hours);
  insist(fields.desk === hostname, 'desk', `The contract was made by the desk “${fields.desk}”, and this page comes from “${hostname}”.`);
  network(fields.network);
  insist(fields.network === envelope.network, 'network', 'The contract belongs to another bitcoin network than this page.');
  insist(fields.trade === envelope.trade, 'contract', 'The contract belongs to another trade than this page.');
  const lock = rebuildLock(fields.keys, fields.P, fields.N, fields.network);
  insist(lock.descriptor === fields.descriptor, 'key', 'The contract’s descriptor does not name the three keys of the contract.');
  insist(lock.address === fields.address, 'address', 'The contract’s address is not the one that its three keys make. Do not send coins to it.');
  return { text: envelope.contract, hash, fields, lock, terms: readTerms(fields, lock.address) };
}

/**
 * Refuses unless the key of the person at this page stands at their role. For the arbitrator it is child P of his account key.
 * @param {any} envelope @param {Contract} contract
 */
export function checkOwnKey(envelope, contract) {
  const { role, key } = envelope;
  const { fields } = contract;
  insist(ROLES.includes(role) && key, 'envelope', 'The desk did not say which key is yours.');
  const named = fields.keys[ROLES.indexOf(role)];
  const words = `The ${role}’s key in the contract is not your key. Sign nothing and send nothing.`;
  if (role === 'arbitrator') {
    const child = parseXpub(key.xpub, fields.network).deriveChild(fields.P).publicExtendedKey;
    insist(named.origin === key.origin.replace(/\]$/u, `/${fields.P}]`) && sameAccount(child, named.xpub, fields.network), 'key', words);
  } else {
    insist(fields[role] === envelope.account, 'contract', `The contract names “${fields[role]}” as ${role}, not you.`);
    insist(named.origin === key.origin && sameAccount(named.xpub, key.xpub, fields.network), 'key', words);
  }
  const file = key.file;
  if (file) insist(file.origin === key.origin && sameAccount(file.xpub, key.xpub, fields.network), 'key', 'The encrypted key file that the desk sent is not the file of your key.');
  return named;
}

/** The message that both traders sign. @param {Contract} contract */
export const contractMessage = ({ fields, hash }) => `${fields.desk} trade ${fields.trade} contract ${hash}`;

/**
 * Verifies the traders' signatures of the contract; says whose are there.
 * @param {any} envelope @param {Contract} contract @param {string[]} required roles that must have signed
 */
export function checkContractSignatures(envelope, contract, required) {
  const given = envelope.contract_signatures ?? {};
  const message = contractMessage(contract);
  return ['buyer', 'seller'].filter((role) => {
    if (!given[role]) return required.includes(role) ? refuse('signature', `The ${role} has not signed the contract, so the address must not be used yet.`) : false;
    checkMessageSignature(given[role], message, contract.lock, contract.lock.pubkeys[role], role, 'contract');
    return true;
  });
}

/** @param {any} envelope @param {Contract} contract */
export function checkArbitrator(envelope, contract) {
  return checkRecord(envelope.record, contract.fields, contract.fields.keys[2].xpub);
}

/**
 * The payment details and the payer's fields, where they are shown, against their hashes in the contract.
 * @param {any} envelope @param {Contract} contract
 */
export function checkDetails(envelope, contract) {
  const one = (/** @type {string} */ name, /** @type {string|null} */ hash, /** @type {string} */ words) => {
    const given = envelope[name];
    if (!given) return null;
    insist(hash !== null && sha256Hex(given.text) === hash, 'details', words);
    return parseCanonical(given.text, 'payment details');
  };
  return {
    payee: one('payee_details', contract.fields.details, 'The payment details shown are not those of the contract. Send no money.'),
    payer: one('payer_details', contract.fields.payer, 'The payer’s name and account shown are not those of the contract.'),
  };
}
