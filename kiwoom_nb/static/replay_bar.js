// The transport bar of a replay: play, step, scrub, speed, and jumps; keys work wherever the bar has the focus.

function button(text, label, action, send) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.title = label;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", () => send(action));
  return made;
}

// The page may make the view anew (a replay that is over shows its last state): the keys go on working where they did.
function keepFocus(bar, memory) {
  const controls = [...bar.querySelectorAll("button, input, select")];
  bar.addEventListener("focusin", (event) => { memory.focus = controls.indexOf(event.target); });
  bar.addEventListener("focusout", () => setTimeout(() => {
    if (bar.isConnected && !bar.contains(document.activeElement)) memory.focus = -1; // left, and not taken away
  }));
  const placed = new ResizeObserver(() => {
    if (!bar.clientWidth) return;
    placed.disconnect();
    if (document.activeElement === document.body) controls[memory.focus]?.focus({ preventScroll: true });
  });
  placed.observe(bar);
  return () => placed.disconnect();
}

function render(model, el, memory) {
  const words = model.get("words");
  const send = (action) => model.send(action);
  const bar = document.createElement("div");
  bar.className = "kn-replay";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", words.bar);
  const play = button("▶", words.play, { do: "toggle" }, send);
  play.className = "kn-play";
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.step = 1;
  slider.setAttribute("aria-label", words.scrub);
  const marks = document.createElement("div");
  marks.className = "kn-marks";
  marks.setAttribute("aria-hidden", "true");
  const track = document.createElement("div");
  track.className = "kn-track";
  track.append(marks, slider);
  const speed = document.createElement("select");
  speed.setAttribute("aria-label", words.speed);
  speed.addEventListener("change", () => send({ do: "speed", speed: speed.value }));
  const clock = document.createElement("span");
  clock.className = "kn-clock";
  bar.append(
    button("|◀", words.begin, { do: "seek", row: 0 }, send),
    button("◀", words.back, { do: "step", n: -1 }, send),
    play,
    button("▶|", words.forward, { do: "step", n: 1 }, send),
    track,
    clock,
    speed,
    button(words.next_fill_short, words.next_fill, { do: "next_fill" }, send),
    button(words.drawdown_short, words.drawdown, { do: "drawdown" }, send),
  );
  el.append(bar);

  let held = false; // while somebody drags, the slider is theirs
  let asked = 0;
  slider.addEventListener("pointerdown", () => { held = true; });
  slider.addEventListener("pointerup", () => { held = false; });
  slider.addEventListener("input", () => {
    cancelAnimationFrame(asked); // a drag asks once a frame, not once a pixel
    asked = requestAnimationFrame(() => send({ do: "seek", row: Number(slider.value) }));
  });
  bar.addEventListener("keydown", (event) => {
    if (event.target === speed) return;
    if (event.key === " " && event.target.tagName !== "BUTTON") {
      send({ do: "toggle" });
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      send({ do: "step", n: (event.key === "ArrowRight" ? 1 : -1) * (event.shiftKey ? 10 : 1) });
    } else if (event.key === "Home" || event.key === "End") {
      send({ do: "seek", row: event.key === "Home" ? 0 : model.get("state").total });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // else the notebook takes arrow keys for its own
  });

  const show = () => {
    const state = model.get("state");
    slider.max = state.total;
    if (!held) slider.value = state.row;
    slider.setAttribute("aria-valuetext", state.clock);
    play.textContent = state.playing ? "❚❚" : "▶";
    const label = state.playing ? words.pause : words.play;
    play.title = label;
    play.setAttribute("aria-label", label);
    play.setAttribute("aria-pressed", String(state.playing));
    clock.textContent = state.clock;
    speed.value = state.speed;
    for (const made of bar.querySelectorAll("button, input, select")) made.disabled = state.ended;
  };
  const showSpeeds = () => {
    speed.replaceChildren(...model.get("speeds").map(([value, text]) => new Option(text, value)));
    speed.value = model.get("state").speed;
  };
  const showMarks = () => {
    marks.replaceChildren();
    for (const mark of model.get("marks")) {
      const made = document.createElement("span");
      made.className = `kn-mark kn-${mark.kind}`;
      made.style.left = `${100 * mark.at}%`;
      if (mark.width) made.style.width = `${100 * mark.width}%`;
      made.title = mark.text;
      marks.append(made);
    }
  };
  model.on("change:speeds", showSpeeds);
  model.on("change:state", show);
  model.on("change:marks", showMarks);
  showSpeeds();
  show();
  showMarks();
  const forget = keepFocus(bar, memory);
  return () => {
    forget();
    cancelAnimationFrame(asked);
    model.off("change:speeds", showSpeeds);
    model.off("change:state", show);
    model.off("change:marks", showMarks);
  };
}

export default () => {
  const memory = { focus: -1 };
  return { render: ({ model, el }) => render(model, el, memory) };
};
