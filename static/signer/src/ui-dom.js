/** Small helpers to build pages without markup in strings: text is only ever text. */

import { Refusal } from './refusal.js';

/**
 * An element. Attributes: strings as they are, true as an empty attribute, `on…` functions as listeners.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node|string|null|false)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name.replace(/^on/u, ''), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null && child !== false) node.append(child);
  return node;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** The JSON of `<script type="application/json" id="…">`, or null. @param {string} id */
export function pageData(id) {
  const node = byId(id);
  return node ? JSON.parse(node.textContent) : null;
}

/** Any problem as a refusal for the reader. @param {unknown} problem */
export function asRefusal(problem) {
  if (problem instanceof Refusal) return problem;
  console.error(problem);
  return new Refusal('page', 'Something on this page went wrong, so nothing was signed. Reload the page; if it stays, sign with your own wallet.');
}

/** An alert with the refusal's one sentence; takes the focus when it is put into the page. @param {unknown} problem */
export function alertFor(problem) {
  const refusal = asRefusal(problem);
  return el('p', { role: 'alert', class: 'note bad', tabindex: '-1', 'data-refusal': refusal.kind }, refusal.message);
}

/** Shows a refusal in a place kept for it, instead of the one before. @param {Element} place @param {unknown} problem */
export function showRefusal(place, problem) {
  const alert = alertFor(problem);
  place.replaceChildren(alert);
  alert.focus?.();
}

/** A labelled field. @param {string} id @param {string} label @param {Record<string, any>} attributes @param {string} [hint] */
export function field(id, label, attributes, hint) {
  const tag = attributes.rows ? 'textarea' : 'input';
  const input = el(tag, { id, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', ...attributes });
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return el('div', { class: 'field' }, el('label', { for: id }, label), input, hint ? el('p', { class: 'hint', id: `${id}-hint` }, hint) : null);
}

/** Lets the page paint before work that blocks it. */
export const painted = () => new Promise((done) => setTimeout(done, 30));

/**
 * Runs `work` while `button` is busy; a refusal is shown in `place`.
 * @param {HTMLButtonElement} button @param {string} busyWords @param {Element} place @param {() => Promise<void>} work
 */
export async function busy(button, busyWords, place, work) {
  const label = button.textContent;
  button.disabled = true;
  button.textContent = busyWords;
  place.replaceChildren();
  try {
    await painted();
    await work();
  } catch (problem) {
    showRefusal(place, problem);
  } finally {
    button.disabled = false;
    button.textContent = label;
  }
}

/** An address in groups of four that still copies as one word: the gaps are the stylesheet's (`.g`). @param {string} address */
export const addressNodes = (address) => (address.match(/.{1,4}/gu) ?? []).map((four) => el('span', { class: 'g' }, four));
