/** Entry of the signing pages, and of those that show an address or payment details only after a check. See ui-sign.js. */

import { startGuard } from './ui-guard.js';
import { startSigning } from './ui-sign.js';

startGuard();
startSigning();
