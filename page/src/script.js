// Keeps a page up to date and asks before anything is done. The page is whole without it.
'use strict';

(() => {
  const byId = (id) => document.getElementById(id);

  // Through a tunnel the daemon's clock may be another one than this machine's: so many milliseconds behind it.
  let skew = 0;

  // Seconds that are left are counted down between two statuses.
  const countDown = () => {
    for (const element of document.querySelectorAll('[data-until]')) {
      const left = Math.max(0, Math.ceil((Number(element.dataset.until) - Date.now() + skew) / 1000));
      const text = element.firstChild && element.childNodes.length === 1 ? element.firstChild : null;
      if (text) {
        const next = text.data.replace(/\d+ s left/, `${left} s left`);
        if (next !== text.data) text.data = next;
      }
    }
  };
  // Elements of a section by what tells each from the others, in its next form as well; the second of a name is another than the first.
  const told = (section, selector) => {
    const named = new Map();
    for (const element of section.querySelectorAll(selector)) {
      const words = element.getAttribute('aria-label') || element.textContent.trim();
      const name = element.id || [element.tagName, element.getAttribute('href') || '', words].join(' ');
      let times = 1;
      while (named.has(`${name} ${times}`)) times += 1;
      named.set(`${name} ${times}`, element);
    }
    return named;
  };
  const STOPS = 'a[href], button, input, select, summary, textarea, [tabindex]';

  // A section takes the place of its last form; what has the focus, and what was opened or closed, stays so.
  const replace = (id, html) => {
    const section = byId(id);
    if (!section) return;
    const [focused] = [...told(section, STOPS)].find(([, element]) => element === document.activeElement) || [];
    const scrolled = [...section.querySelectorAll('.scroll')].map((box) => box.scrollLeft);
    const open = [...told(section, 'summary')].map(([name, summary]) => [name, summary.parentElement.open]);
    section.innerHTML = html;
    section.querySelectorAll('.scroll').forEach((box, at) => { box.scrollLeft = scrolled[at] || 0; });
    const summaries = told(section, 'summary');
    for (const [name, was] of open) {
      if (summaries.has(name)) summaries.get(name).parentElement.open = was;
    }
    told(section, STOPS).get(focused)?.focus({ preventScroll: true });
  };

  const said = () => document.querySelector('[data-said]')?.dataset.said || '';

  const follow = () => {
    const link = byId('link');
    let last = said();
    const events = new EventSource('/events');
    events.onmessage = (event) => {
      const { sections, asof } = JSON.parse(event.data);
      for (const [id, html] of Object.entries(sections)) replace(id, html);
      byId('asof').innerHTML = asof;
      const time = byId('asof').querySelector('time');
      const behind = time ? Date.now() - Date.parse(time.dateTime) : 0;
      skew = Math.abs(behind) > 5000 ? behind : 0;
      link.hidden = true;
      const now = said();
      if (now !== last) byId('said').textContent = now;
      last = now;
      countDown();
    };
    events.onerror = () => {
      link.textContent = events.readyState === EventSource.CLOSED
        ? 'This page is not kept up to date any more. Load it again; if it asks you to, log in again.'
        : link.dataset.silent;
      link.hidden = false;
    };
    setInterval(countDown, 1000);
  };

  // The question stands on a page of its own; here it becomes a dialog.
  const ask = async (link) => {
    const dialog = byId('ask');
    const answer = await fetch(link.href, { headers: { accept: 'text/html' } });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const question = page.getElementById('confirm');
    if (!answer.ok || !question) {
      location.href = link.href;
      return;
    }
    dialog.replaceChildren(document.adoptNode(question));
    dialog.showModal();
    // Nothing is done by a key that was meant for something else.
    dialog.querySelector('[data-cancel]').focus();
  };

  document.addEventListener('click', (event) => {
    const cancel = event.target.closest('dialog [data-cancel]');
    if (cancel) {
      event.preventDefault();
      byId('ask').close();
      return;
    }
    const link = event.target.closest('a[data-ask]');
    if (link && byId('ask') && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      ask(link).catch(() => { location.href = link.href; });
    }
  });

  const file = byId('file');
  if (file) {
    file.closest('[data-file]').hidden = false;
    file.addEventListener('change', async () => {
      if (file.files[0]) byId('text').value = await file.files[0].text();
    });
  }

  if ('live' in document.body.dataset) follow();
})();
