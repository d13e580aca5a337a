/** Entry of the pages that make, restore or check a key. See ui-make.js, ui-restore.js and ui-guard.js for what the page must hold. */

import { requireSecureContext } from './context.js';
import { byId, pageData, showRefusal } from './ui-dom.js';
import { startGuard } from './ui-guard.js';
import { startMaking } from './ui-make.js';
import { startRestoring } from './ui-restore.js';
import { insist } from './refusal.js';

function start() {
  startGuard();
  if (!byId('key-app')) return;
  try {
    const page = pageData('key-page');
    requireSecureContext();
    insist(page.mode !== 'restore' || page.registered.length > 0, 'key', 'Your account has no registered key yet, so there is nothing to restore: make one first.');
    if (page.mode === 'restore') startRestoring(page);
    else startMaking(page);
  } catch (problem) {
    showRefusal(byId('key-app'), problem);
  }
}

start();
