// A live session as it goes on, by server-sent events. Everything shown is set as text.
'use strict';
const feed = document.getElementById('feed');
const state = document.getElementById('feed-state');
const KEPT = 500;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function clock(ms) {
  const two = (n) => String(n).padStart(2, '0');
  const s = Math.floor(ms / 1000);
  const hours = s >= 3600 ? `${Math.floor(s / 3600)}:` : '';
  return `${hours}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}.${String(ms % 1000).padStart(3, '0')}`;
}

function facts(all) {
  const list = element('dl', 'facts');
  for (const fact of all) list.append(element('dt', '', fact.name), element('dd', '', fact.value));
  return list;
}

function rows(table) {
  const made = element('table', 'rows');
  const head = element('tr');
  for (const column of table.columns) head.append(element('th', '', column));
  const top = element('thead'); top.append(head);
  const body = element('tbody');
  for (const row of table.rows) {
    const line = element('tr');
    for (const cell of row) line.append(element('td', cell === null ? 'null' : '', cell === null ? 'NULL' : cell));
    body.append(line);
  }
  made.append(top, body);
  const scroll = element('div', 'scroll'); scroll.append(made);
  return scroll;
}

function show(step) {
  const known = /^[a-z-]{1,20}$/.test(step.kind) ? step.kind : '';
  const item = element('li', `step ${known}`);
  item.dataset.sequence = step.sequence;
  item.append(element('span', 'when', clock(step.offset)));
  const what = element('div', 'what');
  const head = element('span', 'head');
  head.append(element('span', 'kind', step.kind), ` ${step.head}`);
  what.append(head);
  if (step.text) what.append(element('pre', '', step.text));
  if (step.table) what.append(rows(step.table));
  if (step.facts?.length) what.append(facts(step.facts));
  item.append(what);
  const near = feed.scrollHeight - feed.scrollTop - feed.clientHeight < 80;
  feed.append(item);
  while (feed.childElementCount > KEPT) feed.firstElementChild.remove();
  if (near) feed.scrollTop = feed.scrollHeight;
}

if (feed && window.EventSource) {
  state.textContent = 'Connecting …';
  const source = new EventSource(feed.dataset.feed);
  // After a lost connection what is on record comes once more.
  source.addEventListener('open', () => { feed.replaceChildren(); state.textContent = 'What is put on record appears here.'; });
  source.addEventListener('step', (event) => {
    show(JSON.parse(event.data));
  });
  source.addEventListener('skipped', (event) => { state.textContent = `${Number(event.data)} entries came too fast to be shown; the recording has them.`; });
  source.addEventListener('over', (event) => { source.close(); state.textContent = event.data; });
  source.addEventListener('error', () => { if (source.readyState !== EventSource.CLOSED) state.textContent = 'The connection was lost; trying again …'; });
}
