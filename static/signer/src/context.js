/** Whether this page may handle keys at all: browsers give WebCrypto to https and to this machine only. */

import { refuse } from './refusal.js';

export function requireSecureContext() {
  if (globalThis.isSecureContext && globalThis.crypto?.subtle) return;
  refuse(
    'context',
    'This page was opened over plain http, and browsers keep their cryptography for https and for this computer itself (http://127.0.0.1). Open the desk over https, or use your own wallet.',
  );
}
