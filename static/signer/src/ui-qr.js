/** A QR code drawn by this page from what it rebuilt, so that a scanned address is a checked address. */

import { encodeQR } from 'qr';
import { plainBtc } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';

/** BIP-21. @param {string} address @param {number} sat */
export const paymentUri = (address, sat) => `bitcoin:${address}?amount=${plainBtc(sat)}`;

/** One path over all dark modules. @param {boolean[][]} modules */
export function pathOf(modules) {
  return modules.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
}

/** @param {string} text @param {string} label for those who cannot see it */
export function qrCode(text, label) {
  const modules = encodeQR(text, 'raw', { ecc: 'medium', border: 4 });
  const svg = document.createElementNS(SVG, 'svg');
  const size = modules.length;
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': label, class: 'qr' })) svg.setAttribute(name, value);
  const paper = document.createElementNS(SVG, 'rect');
  for (const [name, value] of Object.entries({ width: '100%', height: '100%', fill: '#fff' })) paper.setAttribute(name, value);
  const ink = document.createElementNS(SVG, 'path');
  ink.setAttribute('d', pathOf(modules));
  ink.setAttribute('fill', '#000');
  svg.append(paper, ink);
  return svg;
}
