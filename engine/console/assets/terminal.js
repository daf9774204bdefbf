// A terminal that only paints: it draws what a recording drew, into lines of text. It knows no way to answer, to call
// out, or to run anything; whatever it does not know it drops. Text is set as text.
'use strict';

const PALETTE = (() => {
  const basic = ['#1c2129', '#e0585b', '#5fbf77', '#d5a94a', '#5b8df0', '#b678dd', '#4fb8c4', '#c9ced6',
    '#5c6675', '#ff7b7e', '#84dd9a', '#f2cb70', '#86adff', '#d29bf5', '#79d8e2', '#f4f6f9'];
  const all = [...basic];
  const level = (n) => (n === 0 ? 0 : 55 + n * 40);
  for (let r = 0; r < 6; r += 1) for (let g = 0; g < 6; g += 1) for (let b = 0; b < 6; b += 1) all.push(`rgb(${level(r)},${level(g)},${level(b)})`);
  for (let n = 0; n < 24; n += 1) all.push(`rgb(${8 + n * 10},${8 + n * 10},${8 + n * 10})`);
  return all;
})();
const BOXES = { j: '┘', k: '┐', l: '┌', m: '└', n: '┼', q: '─', t: '├', u: '┤', v: '┴', w: '┬', x: '│', a: '▒', '`': '◆', f: '°', g: '±', '~': '·', o: '⎺', s: '⎽', 0: '█' };
const PLAIN = Object.freeze({ fg: null, bg: null, bold: false, dim: false, italic: false, under: false, strike: false, inverse: false });
const SIDE_MAX = 500;

class Terminal {
  constructor(columns, rows) { this.size(columns, rows, true); }

  size(columns, rows, clear) {
    const side = (n, otherwise) => Math.min(Math.max(Math.floor(Number(n)) || otherwise, 1), SIDE_MAX);
    this.columns = side(columns, 80);
    this.rows = side(rows, 24);
    if (clear) { this.reset(); return; }
    for (const screen of [this.lines, this.kept].filter(Boolean)) {
      while (screen.length > this.rows) screen.shift();
      while (screen.length < this.rows) screen.push(this.blank());
      for (const line of screen) { line.length = Math.min(line.length, this.columns); while (line.length < this.columns) line.push(this.cell(' ')); }
    }
    this.top = 0; this.bottom = this.rows - 1;
    this.x = Math.min(this.x, this.columns - 1); this.y = Math.min(this.y, this.rows - 1);
  }

  reset() {
    this.pen = PLAIN; this.x = 0; this.y = 0; this.saved = null; this.kept = null; this.top = 0; this.bottom = this.rows - 1;
    this.hidden = false; this.wrap = true; this.insert = false; this.boxes = false; this.past = false; this.rest = '';
    this.lines = Array.from({ length: this.rows }, () => this.blank());
  }

  cell(text) { return { text, pen: this.pen }; }
  blank() { return Array.from({ length: this.columns }, () => ({ text: ' ', pen: PLAIN })); }

  write(text) {
    const all = this.rest + text;
    this.rest = '';
    let at = 0;
    while (at < all.length) {
      const code = all.charCodeAt(at);
      if (code === 0x1b) {
        const used = this.escape(all, at);
        if (used === 0) { this.rest = all.slice(at, at + 256); return; }
        at += used;
      } else if (code < 0x20 || code === 0x7f) { this.control(code); at += 1; }
      else {
        const c = String.fromCodePoint(all.codePointAt(at));
        this.put(c); at += c.length;
      }
    }
  }

  escape(all, at) {
    const next = all[at + 1];
    if (next === undefined) return 0;
    if (next === '[') {
      const match = /^\[([?<=>]?)([0-9;:]*)([ -/]*)([@-~])/.exec(all.slice(at + 1, at + 130));
      if (!match) return all.length - at < 128 ? 0 : 2;
      if (!match[3]) this.csi(match[4], match[1], match[2].split(/[;:]/).map((n) => Math.min(Number(n) || 0, 65535)), match[2] !== '');
      return match[0].length + 1;
    }
    if (next === '(' || next === ')') {
      const set = all[at + 2];
      if (set === undefined) return 0;
      if (next === '(') this.boxes = set === '0';
      return 3;
    }
    if (next === '7') this.keep(); else if (next === '8') this.restore();
    else if (next === 'D') this.feed(); else if (next === 'E') { this.x = 0; this.feed(); } else if (next === 'M') this.back();
    return 2;
  }

  control(code) {
    if (code === 8) { this.x = Math.max(0, this.x - 1); this.past = false; }
    else if (code === 9) { this.x = Math.min(this.columns - 1, (Math.floor(this.x / 8) + 1) * 8); }
    else if (code === 10 || code === 11 || code === 12) this.feed();
    else if (code === 13) { this.x = 0; this.past = false; }
  }

  width(c) {
    const n = c.codePointAt(0);
    if (/\p{Mark}/u.test(c)) return 0;
    return (n >= 0x1100 && n <= 0x115f) || (n >= 0x2e80 && n <= 0xa4cf) || (n >= 0xac00 && n <= 0xd7a3) || (n >= 0xf900 && n <= 0xfaff)
      || (n >= 0xfe30 && n <= 0xfe6f) || (n >= 0xff00 && n <= 0xff60) || (n >= 0x1f300 && n <= 0x1faff) || (n >= 0x20000 && n <= 0x3fffd) ? 2 : 1;
  }

  put(c) {
    const shown = this.boxes && BOXES[c] ? BOXES[c] : c;
    const width = this.width(shown);
    if (width === 0) { const x = Math.max(0, this.x - 1); const cell = this.lines[this.y][x]; if (cell.text.length < 16) this.lines[this.y][x] = { text: cell.text + shown, pen: cell.pen }; return; }
    if ((this.past || this.x + width > this.columns) && this.wrap) { this.x = 0; this.feed(); }
    this.past = false;
    const line = this.lines[this.y];
    if (this.insert) { line.splice(this.x, 0, ...Array.from({ length: width }, () => this.cell(' '))); line.length = this.columns; }
    line[this.x] = this.cell(shown);
    if (width === 2 && this.x + 1 < this.columns) line[this.x + 1] = this.cell('');
    this.x += width;
    if (this.x >= this.columns) { this.x = this.columns - 1; this.past = true; }
  }

  feed() { this.past = false; if (this.y === this.bottom) this.scroll(1); else this.y = Math.min(this.rows - 1, this.y + 1); }
  back() { this.past = false; if (this.y === this.top) this.scroll(-1); else this.y = Math.max(0, this.y - 1); }

  scroll(count, from = this.top) {
    for (let n = 0; n < Math.min(Math.abs(count), this.rows); n += 1) {
      if (count > 0) { this.lines.splice(from, 1); this.lines.splice(this.bottom, 0, this.blank()); }
      else { this.lines.splice(this.bottom, 1); this.lines.splice(from, 0, this.blank()); }
    }
  }

  keep() { this.saved = { x: this.x, y: this.y, pen: this.pen }; }
  restore() { if (this.saved) { this.x = Math.min(this.saved.x, this.columns - 1); this.y = Math.min(this.saved.y, this.rows - 1); this.pen = this.saved.pen; } this.past = false; }

  go(x, y) { this.x = Math.min(Math.max(x, 0), this.columns - 1); this.y = Math.min(Math.max(y, 0), this.rows - 1); this.past = false; }
  wipe(line, from, to) { for (let x = Math.max(from, 0); x < Math.min(to, this.columns); x += 1) line[x] = { text: ' ', pen: { ...PLAIN, bg: this.pen.bg } }; }

  csi(last, mark, p, said) {
    const n = Math.max(p[0], 1);
    if (mark === '?') { this.mode(last, p); return; }
    if (mark) return;
    const line = this.lines[this.y];
    switch (last) {
      case 'A': this.go(this.x, this.y - n); break;
      case 'B': case 'e': this.go(this.x, this.y + n); break;
      case 'C': case 'a': this.go(this.x + n, this.y); break;
      case 'D': this.go(this.x - n, this.y); break;
      case 'E': this.go(0, this.y + n); break;
      case 'F': this.go(0, this.y - n); break;
      case 'G': case '`': this.go(n - 1, this.y); break;
      case 'd': this.go(this.x, n - 1); break;
      case 'H': case 'f': this.go(Math.max(p[1] || 1, 1) - 1, n - 1); break;
      case 'J':
        if (p[0] === 0) { this.wipe(line, this.x, this.columns); for (let y = this.y + 1; y < this.rows; y += 1) this.wipe(this.lines[y], 0, this.columns); }
        else if (p[0] === 1) { this.wipe(line, 0, this.x + 1); for (let y = 0; y < this.y; y += 1) this.wipe(this.lines[y], 0, this.columns); }
        else for (const each of this.lines) this.wipe(each, 0, this.columns);
        break;
      case 'K': this.wipe(line, p[0] === 0 ? this.x : 0, p[0] === 1 ? this.x + 1 : this.columns); break;
      case 'X': this.wipe(line, this.x, this.x + n); break;
      case 'P': line.splice(this.x, Math.min(n, this.columns - this.x)); while (line.length < this.columns) line.push({ text: ' ', pen: PLAIN }); break;
      case '@': for (let i = 0; i < Math.min(n, this.columns); i += 1) line.splice(this.x, 0, { text: ' ', pen: PLAIN }); line.length = this.columns; break;
      case 'L': if (this.y >= this.top && this.y <= this.bottom) this.scroll(-n, this.y); break;
      case 'M': if (this.y >= this.top && this.y <= this.bottom) this.scroll(n, this.y); break;
      case 'S': this.scroll(n); break;
      case 'T': this.scroll(-n); break;
      case 'r': {
        const top = n - 1; const bottom = (said && p[1] ? Math.min(p[1], this.rows) : this.rows) - 1;
        if (top < bottom) { this.top = top; this.bottom = bottom; this.go(0, 0); }
        break;
      }
      case 's': this.keep(); break;
      case 'u': this.restore(); break;
      case 'h': case 'l': if (p[0] === 4) this.insert = last === 'h'; break;
      case 'm': this.paint(p); break;
      default:
    }
  }

  mode(last, p) {
    if (last !== 'h' && last !== 'l') return;
    const on = last === 'h';
    for (const mode of p) {
      if (mode === 25) this.hidden = !on;
      else if (mode === 7) this.wrap = on;
      else if (mode === 47 || mode === 1047 || mode === 1049) {
        if (on && !this.kept) { if (mode === 1049) this.keep(); this.kept = this.lines; this.lines = Array.from({ length: this.rows }, () => this.blank()); }
        else if (!on && this.kept) { this.lines = this.kept; this.kept = null; if (mode === 1049) this.restore(); }
      }
    }
  }

  paint(p) {
    const pen = { ...this.pen };
    for (let i = 0; i < p.length; i += 1) {
      const n = p[i];
      if (n === 0) Object.assign(pen, PLAIN);
      else if (n === 1) pen.bold = true; else if (n === 2) pen.dim = true; else if (n === 3) pen.italic = true;
      else if (n === 4) pen.under = true; else if (n === 7) pen.inverse = true; else if (n === 9) pen.strike = true;
      else if (n === 22) { pen.bold = false; pen.dim = false; } else if (n === 23) pen.italic = false; else if (n === 24) pen.under = false;
      else if (n === 27) pen.inverse = false; else if (n === 29) pen.strike = false;
      else if (n >= 30 && n <= 37) pen.fg = PALETTE[n - 30]; else if (n === 39) pen.fg = null;
      else if (n >= 40 && n <= 47) pen.bg = PALETTE[n - 40]; else if (n === 49) pen.bg = null;
      else if (n >= 90 && n <= 97) pen.fg = PALETTE[n - 82]; else if (n >= 100 && n <= 107) pen.bg = PALETTE[n - 92];
      else if (n === 38 || n === 48) {
        const byte = (m) => Math.min(m || 0, 255);
        let colour = null;
        if (p[i + 1] === 5) { colour = PALETTE[byte(p[i + 2])]; i += 2; }
        else if (p[i + 1] === 2) { colour = `rgb(${byte(p[i + 2])},${byte(p[i + 3])},${byte(p[i + 4])})`; i += 4; }
        if (n === 38) pen.fg = colour; else pen.bg = colour;
      }
    }
    this.pen = Object.freeze(pen);
  }

  // The lines as elements. Runs of one look are one span.
  draw(screen) {
    const shown = [];
    this.lines.forEach((line, y) => {
      const made = document.createElement('div');
      made.className = 'line';
      let run = null; let look = null;
      line.forEach((cell, x) => {
        const cursor = !this.hidden && x === this.x && y === this.y;
        if (run === null || cell.pen !== look || cursor || run.cursor) {
          run = document.createElement('span');
          run.cursor = cursor; look = cell.pen;
          this.dress(run, cell.pen, cursor);
          made.append(run);
        }
        run.textContent += cell.text;
      });
      shown.push(made);
    });
    screen.replaceChildren(...shown);
  }

  dress(run, pen, cursor) {
    const names = ['bold', 'dim', 'italic', 'under', 'strike'].filter((name) => pen[name]);
    if (cursor) names.push('cursor');
    if (names.length) run.className = names.join(' ');
    const [fg, bg] = pen.inverse ? [pen.bg ?? '#0f1319', pen.fg ?? '#d7dce4'] : [pen.fg, pen.bg];
    if (fg) run.style.color = fg;
    if (bg) run.style.backgroundColor = bg;
  }

  text() { return this.lines.map((line) => line.map((cell) => cell.text).join('').trimEnd()).join('\n').trimEnd(); }
}
globalThis.PortcullisTerminal = Terminal;
