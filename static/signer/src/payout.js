export function checkPayouts() { return []; }
