// The positions table. Rows come as numbered messages (all of them, then what changed) and stay in this page; a
// missing number makes it ask for everything again. What comes between two frames of the screen is drawn once.

const FLASH = { duration: 900, easing: "ease-out" };
const AGES = 10_000; // ms between two looks at how old the prices are
const CHUNK = 20; // rows out of sight that are written at a time
const PATIENCE = 2_000; // ms before everything is asked for again
const SUMMED = ["quantity", "orderable_quantity", "cost", "market_value", "unrealized_pnl", "realized_pnl_today"];
const TOTALLED = ["cost", "market_value", "unrealized_pnl", "realized_pnl_today"];
const LEFT = new Set(["name", "text", "credit", "date"]);
const SIGNED = new Set(["change", "pnl", "return"]);
const later = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 30)); // Safari has none
const LOANS = "99"; // all loan lots of a symbol as one: stands for lots that are not known, never added to them
const CASH = "00";
const DAY = 86_400_000;
const KST = 9 * 3_600_000;
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0] };

// which fields of a row make a cell new, where they are not the one of its own name
const MADE_OF = {
  day_change: ["price", "base_price"],
  unrealized_pnl_pct: ["unrealized_pnl", "cost"],
  weight: ["market_value"],
  updated_at: ["updated_at", "stale"],
};

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
const ratio = (part, whole) => (part === null || whole === null || !whole ? null : part / whole);
const difference = (one, other) => (one === null || other === null ? null : one - other);
const added = (values) => (values.some((value) => value === null) ? null : values.reduce((sum, value) => sum + value, 0));
const known = (values) => values.filter((value) => value !== null);
const same = (values) => (values.every((value) => value === values[0]) ? values[0] : null);

// --- the rows, as the kernel told them -----------------------------------------------------------------------------

class Rows {
  constructor(model) {
    this.model = model;
    this.rows = new Map();
    this.number = null;
    this.asked = -Infinity;
    this.clock = { now: 0, heard: 0, ticks: true };
    this.views = new Set();
  }

  ask() {
    if (Date.now() - this.asked < PATIENCE) return;
    this.asked = Date.now();
    this.model.send({ kind: "resend" });
  }

  hear(told) {
    if (told.kind === "all") this.begin(told);
    else if (told.kind !== "change" || (this.number !== null && told.number <= this.number)) return;
    else if (this.number === null || told.number !== this.number + 1) return this.ask();
    else if (!this.change(told)) return this.ask();
    this.number = told.number;
    this.clock = { now: told.now, heard: Date.now(), ticks: told.ticks };
    for (const view of this.views) view.wake();
  }

  begin(told) {
    this.asked = -Infinity;
    this.fields = told.fields;
    this.rows = new Map(told.rows.map(([number, ...cells]) => [number, this.row(cells)]));
  }

  // Return whether all that changed is known here.
  change(told) {
    const numbers = [...(told.removed ?? []), ...(told.changed ?? []).map(([number]) => number)];
    if (!numbers.every((number) => this.rows.has(number))) {
      this.number = null;
      return false;
    }
    for (const number of told.removed ?? []) this.rows.delete(number);
    for (const [number, ...cells] of told.added ?? []) this.rows.set(number, this.row(cells));
    for (const [number, cells] of told.changed ?? []) {
      Object.assign(this.rows.get(number), cells);
      for (const view of this.views) view.touch(number, Object.keys(cells));
    }
    if (told.order) this.rows = new Map(told.order.map((number) => [number, this.rows.get(number)]));
    return true;
  }

  row(cells) {
    return Object.fromEntries(this.fields.map((field, place) => [field, cells[place]]));
  }

  now() {
    return this.clock.now + (this.clock.ticks ? Date.now() - this.clock.heard : 0);
  }
}

// --- lines of the table: a row, or the lots of one symbol together --------------------------------------------------

function counted(rows) {
  const lots = new Set();
  for (const row of rows.values()) {
    if (row.credit_type !== CASH && row.credit_type !== LOANS) lots.add(`${row.account} ${row.symbol}`);
  }
  return [...rows].filter(([, row]) => row.credit_type !== LOANS || !lots.has(`${row.account} ${row.symbol}`));
}

function together(entries) {
  const groups = new Map();
  for (const [number, row] of entries) {
    const key = `${row.account} ${row.symbol}${row.credit_type === LOANS ? " loans" : ""}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push([number, row]);
  }
  return [...groups].map(([key, lots]) => (lots.length === 1 ? alone(lots[0]) : sum(key, lots)));
}

function alone([number, row]) {
  return derive({ ...row, key: `lot ${number}`, numbers: [number], lots: 1 });
}

function sum(key, lots) {
  const held = lots.filter(([, row]) => row.quantity !== 0);
  const rows = (held.length ? held : lots).map(([, row]) => row);
  const all = lots.map(([, row]) => row);
  const newest = rows.reduce((one, other) => ((other.price_at ?? 0) > (one.price_at ?? 0) ? other : one));
  const line = { ...newest, key: `all ${key}`, numbers: lots.map(([number]) => number), lots: rows.length };
  for (const name of SUMMED) line[name] = added(all.map((row) => row[name]));
  const average = ratio(line.cost, line.quantity);
  line.average_price = rows.length === 1 ? newest.average_price : average === null ? null : Math.round(average);
  line.break_even_price = rows.length === 1 ? newest.break_even_price : null;
  line.credit_type = same(rows.map((row) => row.credit_type));
  line.loan_date = same(rows.map((row) => row.loan_date));
  line.updated_at = Math.max(...all.map((row) => row.updated_at));
  line.stale = rows.some((row) => row.stale);
  return derive(line);
}

function derive(line) {
  line.day_change = difference(line.price, line.base_price);
  line.day_change_pct = ratio(line.day_change, line.base_price);
  line.unrealized_pnl_pct = ratio(line.unrealized_pnl, line.cost);
  return line;
}

function totalled(lines, shown) {
  const total = { key: "total", numbers: [], count: shown.length };
  for (const name of TOTALLED) total[name] = known(lines.map((line) => line[name])).reduce((sum, value) => sum + value, 0);
  const priced = lines.filter((line) => line.unrealized_pnl !== null);
  total.unrealized_pnl_pct = ratio(total.unrealized_pnl, priced.reduce((sum, line) => sum + line.cost, 0));
  total.unknown = lines.filter((line) => line.market_value === null).length;
  total.closed = lines.filter((line) => !shown.includes(line) && line.realized_pnl_today).length;
  total.weight = total.market_value ? 1 : null;
  return total;
}

function sorted(lines, [name, way], collator) {
  if (!name) return lines;
  const back = way === "descending" ? -1 : 1;
  const order = (one, other) => (typeof one === "string" ? collator.compare(one, other) : one - other);
  const known = lines.filter((line) => line[name] !== null && line[name] !== undefined);
  const unknown = lines.filter((line) => !known.includes(line));
  return [...known.sort((one, other) => back * order(one[name], other[name])), ...unknown];
}

// --- texts ----------------------------------------------------------------------------------------------------------

class Texts {
  constructor(words) {
    this.words = words;
    const locale = words.language === "ko" ? "ko-KR" : "en-US";
    const won = { style: "currency", currency: "KRW", currencyDisplay: "narrowSymbol", maximumFractionDigits: 0 };
    const percent = { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 };
    const clock = { timeZone: "Asia/Seoul", hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" };
    this.count = new Intl.NumberFormat(locale);
    this.won = new Intl.NumberFormat(locale, won);
    this.signedWon = new Intl.NumberFormat(locale, { ...won, signDisplay: "exceptZero" });
    this.percent = new Intl.NumberFormat(locale, { ...percent, signDisplay: "exceptZero" });
    this.share = new Intl.NumberFormat(locale, percent);
    this.time = new Intl.DateTimeFormat("en-GB", clock);
    this.collator = new Intl.Collator(locale);
  }

  number(format, value) {
    return value === null || value === undefined ? "–" : format.format(value);
  }

  signed(format, value) {
    const arrow = !value ? "" : value > 0 ? "▲ " : "▼ ";
    return arrow + this.number(format, value);
  }

  credit(code) {
    return this.words[`credit_${code}`] ?? code ?? "–";
  }

  date(at) {
    return at === null ? "–" : new Date(at).toISOString().slice(0, 10);
  }

  moment(at, now) {
    if (at === null) return "–";
    const time = this.time.format(at);
    const isToday = Math.floor((at + KST) / DAY) === Math.floor((now + KST) / DAY);
    return isToday ? time : `${new Date(at + KST).toISOString().slice(5, 10)} ${time}`;
  }

  ago(at, now) {
    const seconds = Math.floor((now - at) / 1000);
    if (seconds < 10) return this.words.just_now;
    if (seconds < 60) return filled(this.words.seconds_ago, { count: seconds - (seconds % 10) });
    if (seconds < 3600) return filled(this.words.minutes_ago, { count: Math.floor(seconds / 60) });
    if (seconds < 86_400) return filled(this.words.hours_ago, { count: Math.floor(seconds / 3600) });
    return filled(this.words.days_ago, { count: Math.floor(seconds / 86_400) });
  }

  seen(line, now) {
    if (line.price === null || (line.price_at === null && line.price_source !== "user")) return "";
    return filled(this.words[`price_${line.price_source}`], { ago: this.ago(line.price_at, now) });
  }

  lot(line, hasAccounts) {
    const said = hasAccounts ? [line.account ?? "–"] : [];
    if (line.lots > 1) said.push(filled(this.words.lots, { count: line.lots }));
    else if (line.credit_type !== CASH && line.credit_type !== null) {
      said.push(this.credit(line.credit_type));
      if (line.loan_date !== null) said[said.length - 1] += ` ${this.date(line.loan_date).slice(5)}`;
    }
    return said.join(" · ");
  }

  // Return [text, the smaller text under it, the number that colours it] of one cell.
  cell(line, { name, kind }, { now, hasAccounts }) {
    const value = line[name];
    switch (kind) {
      case "name": return [value ?? line.symbol ?? "–", this.lot(line, hasAccounts), 0];
      case "count": return [this.number(this.count, value), "", 0];
      case "won": return [this.number(this.won, value), "", 0];
      case "price": return [this.number(this.won, value), (line.stale ? "⚠ " : "") + this.seen(line, now), 0];
      case "change": return [this.signed(this.signedWon, value), this.number(this.percent, line.day_change_pct), value];
      case "pnl": return [this.signed(this.signedWon, value), "", value];
      case "return": return [this.number(this.percent, value), "", value];
      case "share": return [this.number(this.share, value), "", 0];
      case "time": return [this.moment(value, now), line.stale ? this.words.stale : "", 0];
      case "date": return [this.date(value), "", 0];
      case "credit": return [line.lots > 1 && value === null ? this.words.mixed : this.credit(value), "", 0];
      default: return [value ?? "–", "", 0];
    }
  }

  total(total, { name, kind }) {
    const words = this.words;
    if (kind === "name") return [words.total, filled(words.positions, { count: total.count }), 0];
    if (total[name] === undefined) return ["", "", 0];
    const cell = this.cell(total, { name, kind }, {});
    if (name === "market_value" && total.unknown) cell[1] = filled(words.unknown_left_out, { count: total.unknown });
    if (name === "realized_pnl_today" && total.closed) cell[1] = filled(words.closed_included, { count: total.closed });
    return cell;
  }
}

// --- one view ---------------------------------------------------------------------------------------------------------

function checkbox(name, changed) {
  const label = element("label", "kn-choice");
  const input = element("input");
  const text = element("span");
  input.type = "checkbox";
  input.name = name;
  input.addEventListener("change", () => changed(input.checked));
  label.append(input, text);
  return { label, input, text };
}

class View {
  constructor(model, el, book) {
    Object.assign(this, { model, book, lines: new Map(), behind: new Map(), touched: new Map(), frame: 0, isSeen: true, order: [] });
    this.focus = { line: "head", column: "name" };
    this.build(el);
    this.settle();
  }

  build(el) {
    this.root = element("div", "kn-positions");
    this.root.dataset.lmSuppressShortcuts = "true"; // JupyterLab must not take arrows and Enter for its own
    this.together = checkbox("together", (is) => this.set("together", is));
    this.closed = checkbox("closed", (is) => this.set("closed", is));
    this.opener = element("button", "kn-opener");
    this.opener.type = "button";
    this.opener.addEventListener("click", () => this.open(this.chooser.hidden));
    this.chooser = element("div", "kn-chooser");
    this.chooser.setAttribute("role", "group");
    this.chooser.hidden = true;
    this.boxes = new Map();
    this.table = element("table");
    this.table.setAttribute("role", "grid");
    this.table.addEventListener("keydown", (event) => this.key(event));
    this.table.addEventListener("focusin", (event) => this.focused(event.target.closest("th, td")));
    this.caption = element("caption");
    this.head = { key: "head", tr: element("tr"), cells: new Map() };
    this.foot = { key: "total", tr: element("tr"), cells: new Map(), said: new Map() };
    this.body = element("tbody");
    const [top, bottom] = [element("thead"), element("tfoot")];
    top.append(this.head.tr);
    bottom.append(this.foot.tr);
    this.table.append(this.caption, top, this.body, bottom);
    this.scroll = element("div", "kn-scroll");
    this.scroll.append(this.table);
    this.inSight = new Set();
    this.sight = new IntersectionObserver((entries) => this.sighted(entries), { root: this.scroll, rootMargin: "60px" });
    this.empty = element("p", "kn-empty");
    this.note = element("p", "kn-note");
    this.error = element("p", "kn-error");
    this.error.setAttribute("role", "alert");
    const bar = element("div", "kn-bar");
    bar.append(this.together.label, this.closed.label, this.opener);
    this.root.append(bar, this.chooser, this.scroll, this.empty, this.note, this.error);
    el.append(this.root);
  }

  wake() {
    if (!this.frame && this.isSeen) this.frame = requestAnimationFrame(() => this.draw());
  }

  see(isSeen) {
    this.isSeen = isSeen;
    this.wake();
  }

  touch(number, names) {
    if (!this.isSeen) return;
    if (!this.touched.has(number)) this.touched.set(number, new Set());
    for (const name of names) this.touched.get(number).add(name);
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  // Take words, colours and columns: every cell is made anew.
  settle() {
    const words = this.model.get("words");
    const names = new Set(this.model.get("columns")).add("name");
    this.root.dataset.colors = this.model.get("colors");
    this.texts = new Texts(words);
    this.columns = words.columns.filter((column) => names.has(column.name));
    if (!names.has(this.focus.column)) this.focus.column = "name";
    this.root.lang = words.language;
    this.caption.textContent = words.caption;
    this.table.setAttribute("aria-label", words.caption);
    this.together.text.textContent = words.together;
    this.offer(words.columns, names);
    this.open(!this.chooser.hidden);
    this.heads();
    for (const { tr } of this.lines.values()) this.leave(tr);
    this.lines.clear();
    this.behind.clear();
    this.make(this.foot, "td");
    this.choose();
  }

  // Take what only chooses among the rows.
  choose() {
    this.together.input.checked = this.model.get("together");
    this.closed.input.checked = this.model.get("closed");
    this.note.textContent = this.model.get("note");
    const [name, way] = this.model.get("sort");
    for (const [column, th] of this.head.cells) {
      th.setAttribute("aria-sort", column === name ? way : "none");
      th.lastChild.textContent = column !== name ? "" : way === "ascending" ? "▲" : "▼";
    }
    this.wake();
  }

  open(isOpen) {
    this.chooser.hidden = !isOpen;
    this.opener.textContent = `${this.texts.words.choose_columns} ${isOpen ? "▴" : "▾"}`;
    this.opener.setAttribute("aria-expanded", String(isOpen));
  }

  offer(columns, names) {
    for (const { name, label } of columns) {
      if (name === "name") continue; // tells the rows apart
      if (!this.boxes.has(name)) {
        const box = checkbox(name, () => this.pick());
        this.boxes.set(name, box);
        this.chooser.append(box.label);
      }
      this.boxes.get(name).text.textContent = label;
      this.boxes.get(name).input.checked = names.has(name);
    }
  }

  pick() {
    const picked = this.texts.words.columns.filter(({ name }) => this.boxes.get(name)?.input.checked ?? true);
    this.set("columns", picked.map((column) => column.name));
  }

  heads() {
    this.make(this.head, "th");
    for (const { name, label } of this.columns) {
      const th = this.head.cells.get(name);
      th.scope = "col";
      th.firstChild.textContent = label;
      th.addEventListener("click", () => this.sort(name));
    }
  }

  // Give a row of the table its cells: a text and a smaller one under it.
  make(line, tag) {
    line.cells = new Map();
    line.said = new Map();
    for (const { name, kind } of this.columns) {
      const isName = name === "name" && tag === "td";
      const cell = element(isName ? "th" : tag, LEFT.has(kind) ? "kn-left" : "kn-right");
      if (isName) cell.scope = "row";
      if (tag === "td" && !isName) cell.setAttribute("role", "gridcell");
      cell.tabIndex = -1;
      cell.dataset.column = name;
      cell.append(element("span"), element("small"));
      line.cells.set(name, cell);
    }
    line.tr.dataset.line = line.key;
    line.tr.replaceChildren(...line.cells.values());
  }

  sort(name) {
    const [before, way] = this.model.get("sort");
    const { kind } = this.columns.find((column) => column.name === name);
    const first = LEFT.has(kind) ? "ascending" : "descending";
    const second = first === "ascending" ? "descending" : "ascending";
    if (before !== name) this.set("sort", [name, first]);
    else this.set("sort", way === first ? [name, second] : []);
  }

  draw() {
    this.frame = 0;
    let failure = this.model.get("error");
    try {
      this.paint();
    } catch (error) {
      failure ||= filled(this.texts.words.not_drawn, { reason: String(error) });
    }
    if (this.error.textContent !== failure) this.error.textContent = failure;
    this.touched.clear();
  }

  paint() {
    // asked for before anything is written, or each question makes the page compute its styles anew
    const color = getComputedStyle(this.root).getPropertyValue("--kn-flash");
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.flashes = this.touched.size && !isCalm ? [{ backgroundColor: color }, {}] : null;
    const { rows } = this.book;
    const entries = counted(rows);
    const all = this.model.get("together") ? together(entries) : entries.map(alone);
    const isClosed = (line) => line.quantity === 0;
    const shown = this.model.get("closed") ? all : all.filter((line) => !isClosed(line));
    const total = totalled(all, shown);
    for (const line of all) line.weight = ratio(line.market_value, total.market_value);
    const around = { now: this.book.now(), hasAccounts: new Set(entries.map(([, row]) => row.account)).size > 1 };
    this.place(sorted(shown, this.model.get("sort"), this.texts.collator), around);
    this.write(this.foot, (column) => this.texts.total(total, column));
    this.foot.tr.hidden = !shown.length;
    this.empty.textContent = shown.length ? "" : this.texts.words[this.book.number === null ? "no_kernel" : "empty"];
    const count = all.filter(isClosed).length;
    this.closed.text.textContent = filled(this.texts.words.closed, { count: this.texts.count.format(count) });
    this.closed.input.disabled = !count && !this.model.get("closed");
  }

  place(lines, around) {
    const active = document.activeElement;
    const wanted = new Set(lines.map((line) => line.key));
    for (const [key, { tr }] of this.lines) {
      if (wanted.has(key)) continue;
      this.leave(tr);
      this.lines.delete(key);
    }
    this.behind.clear();
    let next = this.body.firstChild;
    for (const line of lines) {
      const made = this.line(line, around);
      if (made.tr === next) next = next.nextSibling;
      else this.body.insertBefore(made.tr, next);
    }
    this.order = ["head", ...wanted, ...(lines.length ? ["total"] : [])];
    if (!this.order.includes(this.focus.line)) this.focus.line = "head";
    this.rove();
    if (active !== document.activeElement && this.body.contains(active)) active.focus({ preventScroll: true });
    this.catchUp(around);
  }

  leave(tr) {
    this.sight.unobserve(tr);
    this.inSight.delete(tr);
    tr.remove();
  }

  sighted(entries) {
    for (const { target, isIntersecting } of entries) this.inSight[isIntersecting ? "add" : "delete"](target);
    if (this.behind.size) this.wake();
  }

  // Write a row that is new or in sight; the others follow when there is time: laying out a large table is slow.
  line(line, around) {
    const is = this.lines.get(line.key);
    const made = is ?? { key: line.key, tr: element("tr"), flashes: new Map() };
    if (!is) {
      this.make(made, "td");
      this.lines.set(line.key, made);
      this.sight.observe(made.tr);
    } else if (!this.inSight.has(made.tr)) {
      this.behind.set(made, line);
      return made;
    }
    const changed = this.fill(made, line, around);
    if (is && changed.length) this.flash(made, line, changed);
    return made;
  }

  fill(made, line, around) {
    made.tr.classList.toggle("kn-stale", Boolean(line.stale));
    made.tr.classList.toggle("kn-closed", line.quantity === 0);
    return this.write(made, (column) => this.texts.cell(line, column, around));
  }

  catchUp(around) {
    if (this.isLate || !this.behind.size) return;
    this.isLate = true;
    later(() => {
      this.isLate = false;
      for (const [made, line] of [...this.behind].slice(0, CHUNK)) {
        this.behind.delete(made);
        this.fill(made, line, around);
      }
      this.catchUp(around);
    });
  }

  // Write what differs; return the names of the columns whose text does (an age that grew is no news).
  write(line, said) {
    const changed = [];
    for (const column of this.columns) {
      const { name, kind } = column;
      const [text, more, value] = said(column);
      const before = line.said.get(name);
      const sign = SIGNED.has(kind) && value ? (value > 0 ? "kn-up" : "kn-down") : "";
      if (before && before.text === text && before.more === more && before.sign === sign) continue;
      line.said.set(name, { text, more, sign });
      const cell = line.cells.get(name);
      if (before?.text !== text) {
        cell.firstChild.textContent = text;
        changed.push(name);
      }
      if (before?.more !== more) {
        cell.lastChild.textContent = more;
        cell.title = name === "updated_at" || name === "price" ? this.why(more) : "";
      }
      if (before?.sign !== sign) {
        cell.classList.remove("kn-up", "kn-down");
        if (sign) cell.classList.add(sign);
      }
    }
    return changed;
  }

  why(more) {
    return more.startsWith("⚠") ? this.texts.words.stale_why : "";
  }

  flash(made, line, names) {
    if (!this.flashes) return;
    const touched = new Set(line.numbers.flatMap((number) => [...(this.touched.get(number) ?? [])]));
    for (const name of names) {
      if (!(MADE_OF[name] ?? [name]).some((field) => touched.has(field))) continue;
      made.flashes.get(name)?.cancel(); // or they pile up where fills come fast
      made.flashes.set(name, made.cells.get(name).animate(this.flashes, FLASH));
    }
  }

  // --- the keyboard: one cell of the table is in the tab order, arrows move it

  rove() {
    const cell = this.at(this.focus);
    if (this.tabbable === cell) return;
    if (this.tabbable) this.tabbable.tabIndex = -1;
    this.tabbable = cell;
    if (cell) cell.tabIndex = 0;
  }

  at({ line, column }) {
    const made = line === "head" ? this.head : line === "total" ? this.foot : this.lines.get(line);
    return made?.cells.get(column);
  }

  focused(cell) {
    if (!cell?.dataset.column) return;
    this.focus = { line: cell.parentNode.dataset.line, column: cell.dataset.column };
    this.rove();
  }

  key(event) {
    if (event.altKey || event.metaKey) return;
    const names = this.columns.map((column) => column.name);
    let row = this.order.indexOf(this.focus.line);
    let place = names.indexOf(this.focus.column);
    if (MOVES[event.key]) {
      row += MOVES[event.key][0];
      place += MOVES[event.key][1];
    } else if (event.key === "Home" || event.key === "End") {
      const isHome = event.key === "Home";
      if (event.ctrlKey) row = isHome ? 0 : this.order.length - 1;
      place = isHome ? 0 : names.length - 1;
    } else if ((event.key === "Enter" || event.key === " ") && this.focus.line === "head") {
      this.sort(this.focus.column);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    const within = (number, end) => Math.min(Math.max(number, 0), end - 1);
    this.focus = { line: this.order[within(row, this.order.length)], column: names[within(place, names.length)] };
    this.rove();
    this.tabbable.focus();
  }
}

export default () => {
  let book;
  return {
    initialize({ model }) {
      book = new Rows(model);
      model.on("msg:custom", (told) => book.hear(told));
      book.ask();
    },
    render({ model, el }) {
      const view = new View(model, el, book);
      book.views.add(view);
      for (const name of ["words", "columns", "colors"]) model.on(`change:${name}`, () => view.settle());
      for (const name of ["together", "closed", "sort", "note", "error"]) model.on(`change:${name}`, () => view.choose());
      const seen = new IntersectionObserver((entries) => view.see(entries.at(-1).isIntersecting));
      const timer = setInterval(() => book.clock.ticks && book.rows.size && view.wake(), AGES);
      seen.observe(view.root);
      return () => {
        book.views.delete(view);
        view.sight.disconnect();
        seen.disconnect();
        clearInterval(timer);
      };
    },
  };
};
