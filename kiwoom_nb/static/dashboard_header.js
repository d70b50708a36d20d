// The head of the dashboard: what the stream is doing, the big numbers, and how old all of it is.
// Everything comes in one small trait; only ages tick here, so that the kernel does nothing while nothing arrives, and it
// is told when nobody sees the dashboard, so that it does nothing then either.

const TICK = 1000;
const AWAY = 2000; // ms out of sight after which the kernel is told
const ANSWER = 10000; // ms within which the kernel hears that a change has come

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function age(state, at) {
  if (at === null || at === undefined) return "";
  const seconds = Math.max(0, Math.floor(((state.clock ?? Date.now()) - at) / 1000));
  const words = state.ages;
  if (seconds < 60) return words.seconds.replace("{count}", seconds);
  if (seconds < 3600) return words.minutes.replace("{count}", Math.floor(seconds / 60));
  return words.hours.replace("{count}", Math.floor(seconds / 3600));
}

function draw(root, state) {
  root.replaceChildren();
  root.dataset.colors = state.colors;
  const line = element("div", "kn-line");
  const ribbon = element("span", `kn-ribbon kn-${state.mode}`, state.ribbon);
  ribbon.setAttribute("role", "note");
  const light = element("span", `kn-light kn-${state.state}`);
  light.setAttribute("aria-hidden", "true");
  const said = element("span", "kn-state", state.said);
  said.setAttribute("role", "status");
  line.append(ribbon, light, said);
  const big = element("div", "kn-numbers");
  for (const number of state.numbers) {
    const box = element("div", "kn-number");
    box.append(element("span", "kn-label", number.label));
    box.append(element("span", `kn-value kn-${number.direction}`, number.text));
    if (number.note) box.append(element("span", "kn-note", number.note));
    big.append(box);
  }
  const last = element("div", "kn-small");
  const text = element("span", "kn-age");
  text.title = state.explanation;
  last.append(text, element("span", "kn-facts", state.facts));
  root.append(line, big, last);
  for (const note of state.notes) root.append(element("div", "kn-warning", note));
  if (state.error) {
    const error = element("div", "kn-error", state.error);
    error.setAttribute("role", "alert");
    root.append(error);
  }
  return text;
}

// Whether any view of the dashboard is seen in this page. The kernel works only for pages that look, and a page that no
// longer answers is taken to be gone.
class Sight {
  constructor(model) {
    this.model = model;
    this.page = crypto.randomUUID?.() ?? String(Math.random());
    this.views = new Set();
    this.said = undefined; // what the kernel was told last
    this.look = () => this.settle();
    this.again = () => {
      this.said = undefined; // whatever it took us for meanwhile
      this.settle();
    };
    this.leave = () => this.say(false); // closing, or kept aside by the browser
    this.answer = () => {
      this.answering ??= setTimeout(() => {
        this.answering = undefined;
        if (this.said) this.say(true);
      }, ANSWER);
    };
  }

  open() {
    this.model.on("change:state", this.answer);
    document.addEventListener("visibilitychange", this.again);
    window.addEventListener("online", this.again);
    window.addEventListener("pageshow", this.again);
    window.addEventListener("pagehide", this.leave);
    this.settle();
  }

  close() {
    this.model.off("change:state", this.answer);
    document.removeEventListener("visibilitychange", this.again);
    window.removeEventListener("online", this.again);
    window.removeEventListener("pageshow", this.again);
    window.removeEventListener("pagehide", this.leave);
    clearTimeout(this.answering);
    clearTimeout(this.leaving);
  }

  say(isSeen) {
    clearTimeout(this.leaving);
    this.leaving = undefined;
    this.said = isSeen;
    this.model.send({ kind: isSeen ? "look" : "away", page: this.page });
  }

  // Out of sight for a moment (scrolling, drawn anew) is not away.
  settle() {
    const isSeen = document.visibilityState === "visible" && [...this.views].some((view) => view.isSeen);
    if (isSeen) {
      clearTimeout(this.leaving);
      this.leaving = undefined;
      if (this.said !== true) this.say(true);
    } else if (this.said !== false) {
      this.leaving ??= setTimeout(() => this.say(false), AWAY);
    }
  }

  // Of a tall dashboard any part counts, not the head alone. What it is in is known once it has a place in the page.
  watch(root) {
    const view = { isSeen: false };
    this.views.add(view);
    const sight = new IntersectionObserver((entries) => {
      view.isSeen = entries.at(-1).isIntersecting;
      this.settle();
    });
    const size = new ResizeObserver(() => {
      if (!root.isConnected || !root.clientWidth) return;
      size.disconnect();
      sight.observe(root.closest(".kn-dashboard") ?? root);
    });
    size.observe(root);
    return () => {
      size.disconnect();
      sight.disconnect();
      this.views.delete(view);
      this.settle();
    };
  }
}

function render(model, el, sight) {
  const root = element("div", "kn-header");
  el.append(root);
  let ageText;
  const tick = () => {
    const state = model.get("state");
    if (!ageText || !state.last_text) return;
    const shown = state.last_at === null ? state.last_text : state.last_text.replace("{ago}", age(state, state.last_at));
    if (ageText.textContent !== shown) ageText.textContent = shown;
  };
  const redraw = () => {
    ageText = draw(root, model.get("state"));
    tick();
  };
  let asked = 0;
  const changed = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(redraw);
  };
  model.on("change:state", changed);
  redraw();
  const timer = setInterval(tick, TICK);
  const unwatch = sight.watch(root);
  return () => {
    unwatch();
    clearInterval(timer);
    cancelAnimationFrame(asked);
    model.off("change:state", changed);
  };
}

export default () => {
  let sight;
  return {
    initialize({ model }) {
      sight = new Sight(model);
      sight.open();
      return () => sight.close();
    },
    render({ model, el }) {
      return render(model, el, sight);
    },
  };
};
