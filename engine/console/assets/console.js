// Small comforts for pages that work without: `/` goes to the search, lists refresh themselves. Text is never markup.
'use strict';
document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? '');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.querySelector('[data-search], form.search input');
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  }
  if (event.key === 'Escape' && typing) document.activeElement.blur();
});

// A list asks for its page again and takes the rows of it; what somebody marks or holds stays until they let go.
const list = document.querySelector('table[data-refresh]');
if (list) {
  const seconds = Number(list.dataset.refresh) || 10;
  setInterval(async () => {
    if (document.hidden || list.contains(document.activeElement) || !getSelection().isCollapsed) return;
    try {
      const answer = await fetch(location.href, { credentials: 'same-origin', headers: { 'x-portcullis-again': '1' } });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('table[data-refresh] tbody');
      if (fresh) list.querySelector('tbody').replaceWith(document.adoptNode(fresh));
    } catch { /* the next time */ }
  }, seconds * 1000);
}
