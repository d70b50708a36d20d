// A Plotly chart whose lines grow by numbered messages. The kernel sends plotly.js once to a page, and points only to a
// page that looks; when a number is missing, or the chart is looked at again, the page asks for all that is kept.

const AGAIN = 1000; // ms after which it is asked once more for what did not come
const SETTLED = 1500; // ms of silence after which it is made sure that the last message was not lost
const AWAY = 2000; // ms out of sight after which the kernel is told
const BUSY = 5000; // ms after which it is said that the kernel has something else to do (other cells of "run all")
const LEGEND = 19; // px: a row of it
const NARROW = 480; // px: there is no room for buttons beside the title
const PAGE = Symbol.for("kiwoom_nb.page");
const CONFIG = {
  displaylogo: false,
  scrollZoom: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};

// --- plotly.js, once for all charts of a page ---------------------------------------------------------------------

function loadPlotly(model) {
  const page = (globalThis[PAGE] ??= { plotly: new Map() });
  const version = model.get("_plotly");
  if (!page.plotly.has(version)) {
    const loading = fetchPlotly(model, version);
    page.plotly.set(version, loading);
    loading.catch(() => page.plotly.delete(version)); // the next chart asks anew
  }
  return page.plotly.get(version);
}

function fetchPlotly(model, version) {
  return new Promise((resolve, reject) => {
    const heard = (message, buffers) => {
      if (message.kind !== "plotly" || message.version !== version) return;
      unpack(buffers[0]).then(run).then((plotly) => finish(resolve, plotly), (error) => finish(reject, error));
    };
    const finish = (end, value) => {
      model.off("msg:custom", heard);
      end(value);
    };
    model.on("msg:custom", heard);
    model.send({ kind: "plotly" });
  });
}

function unpack(buffer) {
  const packed = new Response(buffer).body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(packed).text();
}

function run(source) {
  const own = window.Plotly; // a page may have a plotly of its own: it stays what it is
  const module = { exports: {} };
  new Function("module", "exports", "define", source)(module, module.exports, undefined);
  if (own === undefined) delete window.Plotly;
  else window.Plotly = own;
  return module.exports;
}

// --- lines --------------------------------------------------------------------------------------------------------

const COLUMNS = ["x", "y", "customdata"];

function append(line, more) {
  for (const column of COLUMNS) {
    if (more[column]) line[column] = (line[column] ?? []).concat(more[column]);
  }
}

// The first, last, lowest and highest of each short time, and both ends of each day (a blank is between).
export function thinned(line, most) {
  const { x, y } = line;
  const clock = [0];
  for (let i = 1; i < x.length; i++) {
    const night = y[i] === null || y[i - 1] === null;
    clock.push(clock[i - 1] + (night ? 0 : Math.max(x[i] - x[i - 1], 0)));
  }
  const times = Math.max(Math.floor(most / 4), 1);
  const wide = (clock.at(-1) || 1) / times;
  const kept = new Set();
  for (let begin = 0, end; begin < x.length; begin = end) {
    const time = Math.min(Math.floor(clock[begin] / wide), times - 1);
    let low = begin;
    let high = begin;
    for (end = begin; end < x.length && Math.min(Math.floor(clock[end] / wide), times - 1) === time; end++) {
      if (y[end] === null) {
        for (const near of [end - 1, end, end + 1]) if (near >= 0 && near < x.length) kept.add(near);
      } else {
        if (y[low] === null || y[end] < y[low]) low = end;
        if (y[high] === null || y[end] > y[high]) high = end;
      }
    }
    for (const place of [begin, low, high, end - 1]) kept.add(place);
  }
  const places = [...kept].sort((a, b) => a - b);
  return Object.fromEntries(COLUMNS.filter((name) => line[name]).map((name) => [name, places.map((i) => line[name][i])]));
}

// As texts: a number is a moment of this machine's time zone to Plotly, and these are Korean wherever it stands.
function shown(line) {
  return { ...line, x: line.x.map((at) => new Date(at).toISOString().slice(0, -1)) };
}

// --- the page's colours -------------------------------------------------------------------------------------------

function isDark() {
  const { body, documentElement: root } = document;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (body.dataset.vscodeThemeKind) return body.dataset.vscodeThemeKind.includes("dark");
  const named = [body, root].flatMap((element) => [...element.classList, element.dataset.theme ?? ""]);
  if (named.includes("dark")) return true;
  if (named.includes("light")) return false;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// Where there is little room: fewer times on the axis, a smaller title, and room for a legend of one name in a row.
function narrow(layout, traces, width) {
  if (layout.xaxis?.nticks) layout.xaxis.nticks = Math.min(layout.xaxis.nticks, Math.max(Math.ceil((width - 110) / 40), 2));
  const font = typeof layout.title === "object" ? layout.title.font : undefined;
  if (font?.size) font.size = Math.min(font.size, Math.max(width / 22, 10));
  const named = traces.filter((trace) => trace.showlegend !== false).length;
  if (width < NARROW && named > 1 && layout.height) layout.height += LEGEND * named;
}

// --- one chart, in as many views as there are outputs of it -------------------------------------------------------

class Chart {
  constructor(model) {
    this.model = model;
    this.page = crypto.randomUUID?.() ?? String(Math.random());
    this.number = 0; // of the last change that is known
    this.lines = {};
    this.views = new Set();
    this.askedAt = -Infinity;
    this.isLooking = false;
    this.error = "";
    this.heard = (message) => this.hear(message);
    this.seen = () => this.look();
    this.themed = () => this.views.forEach((view) => view.draw());
    this.painted = new MutationObserver(this.themed);
    this.media = matchMedia("(prefers-color-scheme: dark)");
  }

  open() {
    this.model.on("msg:custom", this.heard);
    document.addEventListener("visibilitychange", this.seen);
    this.media.addEventListener("change", this.themed);
    for (const element of [document.body, document.documentElement]) {
      this.painted.observe(element, {
        attributes: true,
        attributeFilter: ["class", "data-jp-theme-light", "data-theme", "data-vscode-theme-kind"],
      });
    }
  }

  close() {
    this.model.off("msg:custom", this.heard);
    document.removeEventListener("visibilitychange", this.seen);
    this.media.removeEventListener("change", this.themed);
    this.painted.disconnect();
    clearTimeout(this.settling);
    clearTimeout(this.leaving);
    if (this.isLooking) this.say({ kind: "away" });
  }

  say(message) {
    this.model.send({ ...message, page: this.page, number: this.number });
  }

  // Tell the kernel whether anybody looks; out of sight for a moment (scrolling) is not away.
  look() {
    const looks = document.visibilityState === "visible" && [...this.views].some((view) => view.isSeen);
    clearTimeout(this.leaving);
    if (looks) {
      if (!this.isLooking) this.ask();
      this.isLooking = true;
    } else if (this.isLooking) {
      this.leaving = setTimeout(() => {
        this.isLooking = false;
        clearTimeout(this.settling);
        this.say({ kind: "away" });
      }, AWAY);
    }
  }

  ask() {
    this.askedAt = performance.now();
    this.say({ kind: "look" });
    this.settle();
  }

  settle() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.isLooking && this.say({ kind: "look" }), SETTLED);
  }

  hear(message) {
    try {
      if (message.kind === "all") this.adopt(message);
      else if (message.kind === "more") this.grow(message);
      else if (message.kind === "error") this.fail(message.text);
    } catch (error) {
      this.fail(error);
    }
  }

  adopt(message) {
    if (message.number < this.number) return; // older than what is here
    this.number = message.number;
    this.askedAt = -Infinity;
    this.looks = message.looks;
    this.lines = message.lines;
    this.most = message.most; // points of a line, as in the kernel
    this.title = message.title ?? undefined;
    this.gaps = message.gaps ?? undefined;
    this.views.forEach((view) => view.draw());
  }

  grow(message) {
    if (message.number <= this.number) return;
    this.settle();
    if (message.number !== this.number + 1) {
      if (performance.now() - this.askedAt > AGAIN) this.ask();
      return;
    }
    this.number = message.number;
    this.title = message.title ?? this.title;
    this.gaps = message.gaps ?? this.gaps;
    let isThinned = false;
    for (const [place, more] of Object.entries(message.lines)) {
      const line = this.lines[place];
      append(line, more);
      if (line.x.length > this.most) {
        this.lines[place] = thinned(line, this.most / 2);
        isThinned = true;
      }
    }
    this.views.forEach((view) => (isThinned ? view.draw() : view.extend(message.lines)));
  }

  // What the layout and the traces are just now, as Plotly may change them.
  drawn() {
    const look = structuredClone(this.looks[isDark() ? "dark" : "light"]);
    const traces = look.traces.map((trace, place) => {
      const line = this.lines[place];
      return line ? { ...trace, ...shown(structuredClone(line)) } : trace;
    });
    this.amend(look.layout);
    return { traces, layout: look.layout };
  }

  amend(layout) {
    if (this.title !== undefined) {
      layout.title = { ...(typeof layout.title === "string" ? {} : layout.title), text: this.title };
    }
    if (this.gaps !== undefined) {
      layout.shapes = [...(layout.shapes ?? []).filter((shape) => shape.name !== "gap"), ...structuredClone(this.gaps)];
      layout.annotations = (layout.annotations ?? []).filter((note) => note.name !== "gap");
    }
  }

  // Said once, however often it happens.
  fail(error) {
    const text = this.model.get("_words").error.replace("{reason}", () => error?.message ?? String(error));
    if (text === this.error) return;
    this.error = text;
    this.views.forEach((view) => view.tell());
  }
}

class View {
  constructor(chart, el) {
    this.chart = chart;
    this.isSeen = false;
    this.restsUntil = 0;
    this.isWhole = false; // everything is to be drawn
    this.more = {}; // what is to be added, by trace
    this.box = document.createElement("div");
    this.box.className = "kn-chart";
    this.note = document.createElement("div");
    this.note.className = "kn-chart-note";
    this.note.textContent = chart.model.get("_words").loading;
    this.plot = document.createElement("div");
    this.failed = document.createElement("div");
    this.failed.className = "kn-chart-error";
    this.failed.setAttribute("role", "alert");
    this.box.append(this.note, this.plot, this.failed);
    el.append(this.box);
    this.sight = new IntersectionObserver(([entry]) => this.see(entry.isIntersecting));
    this.sight.observe(this.box);
    this.size = new ResizeObserver(() => this.fit());
    this.size.observe(this.box);
    this.tell();
    this.waiting = setTimeout(() => (this.note.textContent = chart.model.get("_words").busy), BUSY);
    loadPlotly(chart.model)
      .catch(() => loadPlotly(chart.model))
      .finally(() => clearTimeout(this.waiting))
      .then((plotly) => {
        this.plotly = plotly;
        this.draw();
      })
      .catch((error) => {
        this.note.textContent = "";
        chart.fail(error);
      });
  }

  close() {
    this.sight.disconnect();
    this.size.disconnect();
    cancelAnimationFrame(this.asked);
    clearTimeout(this.resting);
    clearTimeout(this.waiting);
    if (this.plotly) this.plotly.purge(this.plot);
    this.box.remove();
  }

  see(isSeen) {
    this.isSeen = isSeen;
    this.chart.look();
    if (isSeen) this.plan();
  }

  tell() {
    this.failed.textContent = this.chart.error;
  }

  draw() {
    this.isWhole = true;
    this.plan();
  }

  extend(lines) {
    for (const [place, more] of Object.entries(lines)) append((this.more[place] ??= {}), more);
    this.isAmended = true;
    this.plan();
  }

  fit() {
    if (this.isDrawn && this.box.clientWidth && this.box.clientWidth !== this.width) {
      this.isWhole = true;
      this.plan();
    }
  }

  // With the next frame; a page that is slow at drawing rests as long as it drew, so that it stays usable.
  plan() {
    cancelAnimationFrame(this.asked);
    clearTimeout(this.resting);
    const rest = this.restsUntil - performance.now();
    if (rest > 0) this.resting = setTimeout(() => this.plan(), rest);
    else this.asked = requestAnimationFrame(() => this.paint());
  }

  paint() {
    if (!this.plotly || !this.chart.looks || !this.isSeen || !this.box.clientWidth) return;
    if (!this.isWhole && !this.isAmended) return;
    const begun = performance.now();
    const drawing = this.isWhole || !this.isDrawn ? this.paintAll() : this.paintMore();
    this.isWhole = this.isAmended = false;
    this.more = {};
    drawing.catch((error) => this.chart.fail(error));
    this.restsUntil = 2 * performance.now() - begun;
  }

  async paintAll() {
    const { traces, layout } = this.chart.drawn();
    this.width = layout.width = this.box.clientWidth;
    narrow(layout, traces, this.width);
    this.note.textContent = "";
    this.isDrawn = true;
    const displayModeBar = this.width < NARROW ? false : "hover";
    await this.plotly.react(this.plot, traces, layout, { ...CONFIG, displayModeBar });
  }

  async paintMore() {
    this.chart.amend(this.plot.layout); // drawn along with the points
    const places = Object.keys(this.more).map(Number);
    if (!places.length) {
      await this.plotly.redraw(this.plot);
      return;
    }
    const more = places.map((place) => shown(this.more[place]));
    places.forEach((place, i) => {
      const trace = this.plot.data[place];
      if (more[i].customdata) trace.customdata = trace.customdata.concat(more[i].customdata);
    });
    await this.plotly.extendTraces(this.plot, { x: more.map(({ x }) => x), y: more.map(({ y }) => y) }, places);
  }
}

export default () => {
  let chart;
  return {
    initialize({ model }) {
      chart = new Chart(model);
      chart.open();
      return () => chart.close();
    },
    render({ el }) {
      const view = new View(chart, el);
      chart.views.add(view);
      return () => {
        view.close();
        chart.views.delete(view);
        chart.look();
      };
    },
  };
};
