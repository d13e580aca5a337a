/** What stops a key from being used, in words for the person in front of it. */

/**
 * A check failed. `kind` is stable (tests and styles use it); the message is one clear sentence.
 * Kinds: context, envelope, network, desk, contract, hash, key, address, record, details, signature,
 * payout, fee, psbt, message, ruling, reuse, passphrase, file, words, secret, unlock.
 */
export class Refusal extends Error {
  /** @param {string} kind @param {string} words */
  constructor(kind, words) {
    super(words);
    this.name = 'Refusal';
    this.kind = kind;
  }
}

/** @param {string} kind @param {string} words @returns {never} */
export function refuse(kind, words) {
  throw new Refusal(kind, words);
}

/** @param {unknown} holds @param {string} kind @param {string} words */
export function insist(holds, kind, words) {
  if (!holds) refuse(kind, words);
}

/**
 * Runs `work`; whatever a library throws becomes a refusal in our words, a refusal passes as it is.
 * @template T @param {string} kind @param {string} words @param {() => T} work @returns {T}
 */
export function orRefuse(kind, words, work) {
  try {
    return work();
  } catch (problem) {
    if (problem instanceof Refusal) throw problem;
    return refuse(kind, words);
  }
}
