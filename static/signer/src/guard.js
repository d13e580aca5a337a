/** Entry for pages without keys of their own: only the guard against sending private keys. */

import { startGuard } from './ui-guard.js';

startGuard();
