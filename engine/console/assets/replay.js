// A recorded terminal as a film: fetched line by line, played with its own pauses, at any speed, from any place.
'use strict';
const player = document.querySelector('.player');
const $ = (id) => document.getElementById(id);
const IDLE = 2000;
const JUMP = 5000;

class Film {
  constructor(header) { this.header = header; this.events = []; this.next = 0; this.at = 0; this.terminal = new PortcullisTerminal(header.columns, header.rows); }
  get length() { return this.events.length ? this.events[this.events.length - 1][0] : 0; }

  apply(event) {
    const [, kind, what] = event;
    if (kind === 'o') this.terminal.write(what);
    else if (kind === 'r') this.terminal.size(event[2], event[3], false);
  }

  // Everything up to a moment; backwards means from the beginning.
  to(moment) {
    if (moment < this.at) { this.terminal.size(this.header.columns, this.header.rows, true); this.next = 0; }
    while (this.next < this.events.length && this.events[this.next][0] <= moment) { this.apply(this.events[this.next]); this.next += 1; }
    this.at = moment;
  }
}

let film = null; let playing = false; let last = 0; let dragging = false; let loaded = false;

function clock(ms) {
  const s = Math.floor(ms / 1000); const two = (n) => String(n).padStart(2, '0');
  return `${s >= 3600 ? `${Math.floor(s / 3600)}:` : ''}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function show() {
  film.terminal.draw($('screen'));
  $('clock').textContent = `${clock(film.at)} / ${clock(film.length)}`;
  $('seek').max = film.length;
  if (!dragging) $('seek').value = film.at;
  $('play').textContent = playing ? 'Pause' : 'Play';
}

function frame(now) {
  if (!playing) return;
  const speed = Number($('speed').value) || 1;
  let moment = film.at + (now - last) * speed;
  last = now;
  const next = film.events[film.next];
  if (next && $('idle').checked && next[0] - film.at > IDLE) moment = Math.max(moment, next[0] - IDLE / 2);
  if (!next && loaded) { playing = false; moment = film.length; }
  if (!next && !loaded) moment = film.at;
  film.to(Math.min(moment, Math.max(film.length, film.at)));
  show();
  if (playing) requestAnimationFrame(frame);
}

function play(on) {
  if (!film) return;
  if (on && loaded && film.at >= film.length) film.to(0);
  playing = on; last = performance.now();
  show();
  if (on) requestAnimationFrame(frame);
}

function seek(moment) { if (film) { film.to(Math.min(Math.max(moment, 0), film.length)); show(); } }

function marker(event) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = `${clock(event[0])}  ${event[1] === 'x' ? `exit ${event[2]}` : event[2]}`;
  button.addEventListener('click', () => seek(event[0]));
  item.append(button);
  $('markers').append(item);
}

function take(line) {
  const value = JSON.parse(line);
  if (Array.isArray(value)) {
    film.events.push(value);
    if (value[1] === 'm' || value[1] === 'x') marker(value);
  } else if (value.error) $('film-state').textContent = value.error;
  else film = new Film(value);
}

async function load() {
  const answer = await fetch(player.dataset.film, { credentials: 'same-origin' });
  if (!answer.ok) throw new Error(answer.status === 403 ? 'what was recorded is for the auditor' : `the gateway says ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? '';
    const lines = rest.split('\n');
    rest = lines.pop();
    const before = film;
    for (const line of lines) if (line) take(line);
    if (film && !before) { $('film-state').hidden = true; player.dataset.ready = 'yes'; play(true); }
    if (done) break;
  }
  loaded = true;
  player.dataset.loaded = 'yes';
  if (film) show(); else $('film-state').textContent = 'There is no such terminal.';
}

if (player) {
  $('film-state').textContent = 'Loading …';
  $('play').addEventListener('click', () => play(!playing));
  $('seek').addEventListener('pointerdown', () => { dragging = true; });
  $('seek').addEventListener('pointerup', () => { dragging = false; });
  $('seek').addEventListener('input', () => seek(Number($('seek').value)));
  document.addEventListener('keydown', (event) => {
    if (/^(INPUT|SELECT|TEXTAREA|BUTTON)$/.test(event.target.tagName) || !film) return;
    const speeds = [...$('speed').options]; const at = $('speed').selectedIndex;
    if (event.key === ' ') { event.preventDefault(); play(!playing); }
    else if (event.key === 'ArrowLeft') seek(film.at - JUMP);
    else if (event.key === 'ArrowRight') seek(film.at + JUMP);
    else if (event.key === '+') $('speed').selectedIndex = Math.min(at + 1, speeds.length - 1);
    else if (event.key === '-') $('speed').selectedIndex = Math.max(at - 1, 0);
  });
  load().catch((error) => { $('film-state').hidden = false; $('film-state').textContent = `The film cannot be played: ${error.message}`; });
}
