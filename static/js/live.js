// The page of a trade, or another one with its room, while it is in sight: what is new comes by itself. Nothing here is
// needed: "Check for news" shows the same. What a person types or has opened is never touched.
(() => {
  'use strict';
  const page = document.querySelector('[data-live]');
  const room = document.querySelector('[data-room]');
  if (!window.EventSource || !(page || room)) return;
  const AGAIN_MS = 5_000;
  const address = page?.dataset.live ?? `${room.dataset.room}/stream`;
  const log = room?.querySelector('.log');
  const lines = room?.querySelector('.lines');
  const token = () => document.querySelector('input[name=csrf]')?.value ?? '';
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`trine:${name}`, { detail }));

  /* Where this page is: the id of the last event. A page that comes back from the browser's memory is where it was. */
  let at = page?.dataset.at ?? `${room.dataset.last}.`;
  let source;
  let again;
  let over = false;

  const parsed = (html) => {
    const template = document.createElement('template');
    template.innerHTML = html;
    return template.content.querySelector('*');
  };

  /* A line of the room, at its end. Who has scrolled up stays where he reads. */
  function line({ number, kind, html }) {
    if (!lines || lines.querySelector(`[data-number="${number}"]`)) return;
    const away = log.scrollTop;
    const before = log.scrollHeight;
    room.querySelector('[data-silence]')?.remove();
    const added = parsed(html);
    lines.append(added);
    tell('arrived', added);
    log.scrollTop = away < -20 ? away - (log.scrollHeight - before) : 0;
    if (kind !== 'me') read(number);
  }

  /* What is in sight counts as read; told once for several lines. */
  let unread = 0;
  let telling;
  function read(number) {
    unread = Math.max(unread, number);
    telling ??= setTimeout(() => {
      telling = undefined;
      if (document.hidden) return;
      const body = new URLSearchParams({ csrf: token(), number: unread });
      fetch(`${room.dataset.room}/reads`, { method: 'POST', body, keepalive: true }).then(() => tell('standing'), () => {});
    }, 300);
  }

  function seen({ number }) {
    for (const mine of lines?.querySelectorAll('.msg.me') ?? []) {
      if (Number(mine.dataset.number) <= number) mine.querySelector('[data-read]').hidden = false;
    }
  }

  function here({ words }) {
    const place = room?.querySelector('[data-here]');
    if (place) place.textContent = words;
  }

  /* Takes over what a person has done to the old part: what is open, typed, in focus. */
  function keep(old, part) {
    const same = (css) => {
      const [before, after] = [[...old.querySelectorAll(css)], [...part.querySelectorAll(css)]];
      return before.map((one, index) => [one, after[index]]).filter(([, one]) => one);
    };
    for (const [before, after] of same('details')) after.open = before.open;
    for (const input of part.querySelectorAll('input[name=csrf]')) input.value = token();
    for (const input of old.querySelectorAll('input[id],textarea[id],select[id]')) {
      const after = part.querySelector(`#${CSS.escape(input.id)}`);
      if (after && input.value !== input.defaultValue) after.value = input.value;
    }
    const focused = old.contains(document.activeElement) ? document.activeElement : undefined;
    if (!focused) return () => {};
    const words = focused.textContent.trim();
    const next = focused.id
      ? part.querySelector(`#${CSS.escape(focused.id)}`)
      : [...part.querySelectorAll(focused.tagName)].find((one) => one.textContent.trim() === words);
    return () => {
      if (!next) part.tabIndex = -1;
      (next ?? part).focus({ preventScroll: true });
    };
  }

  function part({ name, html }) {
    const old = document.querySelector(`[data-part="${name}"]`);
    if (!old) return anew();
    const fresh = parsed(html);
    const focus = keep(old, fresh);
    old.replaceWith(fresh);
    tell('arrived', fresh);
    focus();
    if (name === 'now') {
      tell('say', fresh.querySelector('h2')?.textContent ?? 'This trade has news');
      tell('standing');
    }
  }

  /* The page itself is made differently by now: open it again, unless something is half typed. */
  function anew() {
    const typed = [...document.querySelectorAll('textarea,input:not([type=hidden])')].some((one) => one.value !== one.defaultValue);
    if (!typed) return location.reload();
    note('This page has news.', location.pathname, 'Show them');
  }

  function note(words, href, label) {
    let place = document.querySelector('[data-live-note]');
    if (!place) {
      place = document.createElement('p');
      place.className = 'note';
      place.dataset.liveNote = '';
      place.setAttribute('role', 'status');
      document.querySelector('main').prepend(place);
    }
    const link = Object.assign(document.createElement('a'), { href, textContent: label });
    place.replaceChildren(`${words} `, link);
  }

  function open() {
    if (source || over || document.hidden) return;
    clearTimeout(again);
    const query = new URLSearchParams({ at });
    if (!page) query.set('only', 'room');
    source = new EventSource(`${address}?${query}`);
    const on = (name, act) =>
      source.addEventListener(name, (event) => {
        act(JSON.parse(event.data));
        if (event.lastEventId) at = event.lastEventId;
      });
    on('line', line);
    on('seen', seen);
    on('here', here);
    on('part', part);
    on('anew', anew);
    on('crowded', () => end('Too many pages of this desk are open in sight, so this one is not told of news.'));
    on('signed-out', () => end('You are signed out here, or this account is suspended.'));
    source.onopen = () => (document.documentElement.dataset.liveState = 'open');
    // A stream that breaks comes again by itself; one that is refused is asked for anew.
    source.onerror = () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      again = setTimeout(open, AGAIN_MS * (1 + Math.random()));
    };
  }

  function close() {
    source?.close();
    source = undefined;
    document.documentElement.dataset.liveState = 'closed';
  }

  function end(words) {
    over = true;
    close();
    note(words, location.pathname, 'Check for news');
  }

  /* Sends words without leaving the page. A picture, or anything that is refused, goes the usual way. */
  function say(event) {
    const form = event.target;
    const text = form.elements.text;
    if (!text || form.elements.picture?.value || !source || !text.value.trim()) return;
    event.preventDefault();
    const button = form.querySelector('button');
    if (button.disabled) return;
    button.disabled = true;
    const sent = text.value;
    fetch(form.action, { method: 'POST', body: new FormData(form), redirect: 'manual' }).then(
      (answer) => {
        button.disabled = false;
        if (answer.type !== 'opaqueredirect') return form.submit();
        if (text.value === sent) text.value = '';
      },
      () => {
        button.disabled = false;
        tell('say', 'It could not be sent. Try again.');
        note('The message could not be sent. What you wrote is still there.', location.pathname, 'Check for news');
      },
    );
  }

  room?.querySelector('.say')?.addEventListener('submit', say);
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  open();
})();
