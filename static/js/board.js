// The board while it is in sight: says when there are new offers under the same filter. Rows never move by themselves.
(() => {
  'use strict';
  const ASKED_MS = 12_000;
  const place = document.querySelector('[data-board-news]');
  if (!place) return;
  const known = new Set([...document.querySelectorAll('[data-offer]')].map((row) => row.dataset.offer));
  let asked;

  function show(fresh) {
    const words = fresh === 1 ? '1 new offer, show' : `${fresh} new offers, show`;
    if (fresh === 0) return place.replaceChildren();
    if (place.textContent === words) return;
    const link = Object.assign(document.createElement('a'), { href: location.href, textContent: words, className: 'btn' });
    place.replaceChildren(link);
  }

  async function ask() {
    clearTimeout(asked);
    if (document.hidden) return;
    asked = setTimeout(ask, ASKED_MS * (0.9 + 0.2 * Math.random()));
    try {
      const answer = await fetch(`/board/news${location.search}`);
      if (answer.ok) show((await answer.json()).filter((reference) => !known.has(reference)).length);
    } catch {
      // The desk is away for a moment; it is asked again.
    }
  }

  document.addEventListener('visibilitychange', ask);
  asked = setTimeout(ask, ASKED_MS);
})();
