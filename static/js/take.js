// Remembers, in this browser only, the payout and refund addresses a person typed here, so that the signer can later
// compare the contract with them. Any <input data-address-memory data-network="…"> is read when its form is sent.
(() => {
  'use strict';
  const ADDRESSES_MAX = 50;

  function remember(network, address) {
    const place = `trine:address:${network}`;
    let known = [];
    try {
      known = JSON.parse(localStorage.getItem(place)) ?? [];
    } catch {
      // Unreadable or no storage: begin anew; the signer then asks instead of comparing.
    }
    const kept = [address, ...known.filter((one) => one !== address)].slice(0, ADDRESSES_MAX);
    try {
      localStorage.setItem(place, JSON.stringify(kept));
    } catch {
      // A browser without storage: the signer asks.
    }
  }

  // "Use a practice address" fills the field where the form is half filled in already; without script it loads the page.
  document.addEventListener('click', (event) => {
    const link = event.target.closest('[data-fill]');
    const field = link && document.getElementById(link.dataset.fill);
    if (!field) return;
    event.preventDefault();
    field.value = link.dataset.with;
    field.focus();
  });

  document.addEventListener('submit', (event) => {
    for (const input of event.target.querySelectorAll('[data-address-memory]')) {
      const address = input.value.trim();
      if (address && input.value !== input.defaultValue) remember(input.dataset.network, address);
    }
  });
})();
