// The head of the dashboard: what the stream is doing, the big numbers, and how old all of it is.
// Everything comes in one small trait; only ages tick here, so that the kernel does nothing while nothing arrives.

const TICK = 1000;

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

function render({ model, el }) {
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
  return () => {
    clearInterval(timer);
    cancelAnimationFrame(asked);
    model.off("change:state", changed);
  };
}

export default { render };
