// Small comforts for every page; nothing here is needed: copy buttons, countdowns, times in the reader's zone, the theme switch.
(() => {
  'use strict';
  const MINUTE = 60_000;
  const ANNOUNCED_MINUTES = [10, 5, 1];

  /* Copy buttons: <button hidden data-copy="text"> or data-copy-from="#id". */
  function startCopying() {
    if (!navigator.clipboard) return;
    showCopying(document);
    document.addEventListener('click', async (event) => {
      const button = event.target.closest?.('[data-copy],[data-copy-from]');
      if (!button) return;
      const from = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
      await navigator.clipboard.writeText(button.dataset.copy ?? from.value ?? from.textContent.trim());
      const label = button.dataset.label ?? (button.dataset.label = button.textContent);
      button.textContent = 'Copied';
      say('Copied');
      setTimeout(() => (button.textContent = label), 2000);
    });
  }

  function showCopying(root) {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll('[data-copy],[data-copy-from]')) button.hidden = false;
  }

  /* One polite live region for what changes without a press of a button. */
  let region;
  function say(words) {
    if (!region) {
      region = document.createElement('p');
      region.className = 'vh';
      region.setAttribute('role', 'status');
      document.body.append(region);
    }
    region.textContent = words;
  }

  /* Countdowns: <time datetime="…Z" data-countdown>41 min left</time>. Past zero the server's words stand. */
  function left(milliseconds) {
    const minutes = Math.ceil(milliseconds / MINUTE);
    if (minutes >= 48 * 60) return `${Math.floor(minutes / 1440)} days left`;
    if (minutes >= 120) return minutes % 60 === 0 ? `${minutes / 60} h left` : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
    return minutes <= 1 ? 'less than a minute left' : `${minutes} min left`;
  }

  /* The desk's time, and what has passed since by a clock that nobody can set: this device's own may be wrong. */
  const begun = new WeakMap();
  function now(time) {
    if (!begun.has(time)) begun.set(time, performance.now());
    const said = Date.parse(time.dataset.now);
    return Number.isNaN(said) ? Date.now() : said + performance.now() - begun.get(time);
  }

  function tick() {
    for (const time of document.querySelectorAll('time[data-countdown]')) {
      const ahead = new Date(time.dateTime) - now(time);
      if (ahead <= 0) {
        time.textContent = 'time is up';
        continue;
      }
      time.textContent = left(ahead);
      const minutes = Math.ceil(ahead / MINUTE);
      if (ANNOUNCED_MINUTES.includes(minutes) && time.dataset.announced !== String(minutes)) {
        time.dataset.announced = minutes;
        say(minutes === 1 ? 'One minute left' : `${minutes} minutes left`);
      }
    }
  }

  /* Times in the reader's zone: <time datetime="…Z" data-local>14:20 UTC</time>; the server's words become the title. */
  function localTimes(root) {
    const today = new Date().toDateString();
    for (const time of root.querySelectorAll('time[data-local]')) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.valueOf())) continue;
      time.title = time.textContent.trim();
      const day = at.toDateString() === today ? {} : { day: 'numeric', month: 'short', year: 'numeric' };
      time.textContent = at.toLocaleString('en-GB', { ...day, hour: '2-digit', minute: '2-digit' });
    }
  }

  /* Theme: <form data-theme-switch> with buttons name="theme" value="light|dark|system"; switches at once, tells the server behind. */
  function startTheme() {
    document.addEventListener('submit', (event) => {
      const form = event.target;
      const theme = event.submitter?.value;
      if (!form.matches('[data-theme-switch]') || !theme) return;
      event.preventDefault();
      if (theme === 'system') delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = theme;
      for (const button of form.querySelectorAll('[name=theme]')) button.setAttribute('aria-pressed', String(button.value === theme));
      const body = new URLSearchParams(new FormData(form, event.submitter));
      fetch(form.action, { method: 'POST', body, redirect: 'manual', keepalive: true }).catch(() => form.submit());
    });
  }

  /* Whose turn it is, in title, icon and header: asked for now and then while the page is open, in sight or not. */
  const ASKED_MS = 30_000;
  const root = document.documentElement;
  const title = document.title.replace(/^(\(\d+\)|•) /, '');
  let asked;

  function show({ waiting, unread }) {
    document.title = (waiting > 0 ? `(${waiting}) ` : unread > 0 ? '• ' : '') + title;
    const icon = document.querySelector('link[rel=icon]');
    const href = `/static/icons/mark${waiting > 0 ? '-waits' : ''}.svg`;
    if (icon && icon.getAttribute('href') !== href) icon.setAttribute('href', href);
    for (const [name, number, words] of [['waiting', waiting, `${waiting}`], ['unread', unread, `${unread} unread`]]) {
      const badge = document.querySelector(`[data-standing="${name}"]`);
      if (badge) [badge.textContent, badge.hidden] = [words, number === 0];
    }
  }

  function ask() {
    clearTimeout(asked);
    const later = document.hidden ? 2 * ASKED_MS : ASKED_MS;
    asked = setTimeout(ask, later);
    fetch('/waiting').then(
      async (answer) => (answer.ok ? show(await answer.json()) : clearTimeout(asked)),
      () => {},
    );
  }

  function startStanding() {
    if (!('waiting' in root.dataset)) return;
    asked = setTimeout(ask, ASKED_MS);
    document.addEventListener('trine:standing', () => {
      clearTimeout(asked);
      asked = setTimeout(ask, 300);
    });
  }

  /* What comes to the page later is treated like what was there. */
  document.addEventListener('trine:arrived', ({ detail }) => {
    showCopying(detail);
    localTimes(detail);
    tick();
  });
  document.addEventListener('trine:say', ({ detail }) => say(detail));

  startCopying();
  tick();
  setInterval(tick, 10_000);
  localTimes(document);
  startTheme();
  startStanding();
})();
