// Controls

function showControls() {
  const { events } = walk(view.k);
  const event = current();
  byId("position").max = events.length;
  byId("position").value = view.position;
  const at = event ? [event.pass, atStep(event)].filter(Boolean).join(", ") : "start";
  byId("position").setAttribute("aria-valuetext", `event ${view.position} of ${events.length}, ${at}`);
  byId("where").textContent = `${view.position} / ${events.length} · ${at}`;
  byId("predict").setAttribute("aria-pressed", String(guessing.on));
  byId("score").hidden = !guessing.on;
  byId("score").textContent = `${guessing.right} of ${guessing.asked} right`;
  byId("play").textContent = view.playing ? "Pause" : "Play";
}

function pause() {
  clearTimeout(view.playing);
  view.playing = null;
  showControls();
}

function play() {
  if (view.playing) return pause();
  if (view.position === walk(view.k).events.length) go(0);
  const next = () => {
    go(view.position + 1);
    const stop = view.position === walk(view.k).events.length || isHidden(current());
    if (stop) return pause();
    view.playing = setTimeout(next, Number(byId("speed").value));
  };
  view.playing = setTimeout(next, still.matches ? 0 : 60);
  showControls();
}

/** To the next time step, or the other pass. */
function jump(by) {
  const { events } = walk(view.k);
  const group = (position) => (position ? `${events[position - 1].pass} ${events[position - 1].step}` : "");
  let position = view.position + by;
  while (position > 0 && position < events.length && group(position) === group(view.position)) position += by;
  if (by < 0) while (position > 1 && group(position - 1) === group(position)) position -= 1;
  go(position);
}

/** Truncate to `k` steps (0: not at all), staying at the same event if it is still there. */
function truncate(k) {
  const event = current();
  const before = view.position;
  view.k = k;
  const same = (other) => ["pass", "box", "parent", "edge", "rule"].every((key) => other[key] === event[key]);
  const at = event?.pass === "backward" ? walk(k).events.findIndex(same) + 1 : before;
  view.position = Math.min(at || before, walk(k).events.length);
  byId("cut").value = lengths.indexOf(k);
  byId("cut-now").textContent = k ? `every ${k} step${k > 1 ? "s" : ""}` : "off";
  byId("cut").setAttribute("aria-valuetext", byId("cut-now").textContent);
  showCuts();
  if (!byId("events").hidden) showTable();
  show();
}

const HELP = {
  "→ ←": "next and previous event",
  "Page Down, Page Up": "next and previous time step",
  "Home, End": "start and end",
  Space: "play or pause",
  Tab: "through the controls, then the boxes in order",
  Enter: "details of the box in focus; a click does the same",
  Esc: "close details, table or help",
  P: "predict: guess each message before you see it",
  T: "all events as a table",
  "+ − 0": "zoom in, out, fit",
  "?": "this help",
};
const ABOUT =
  "Truncate cuts the edges between steps every k steps, as truncated backpropagation through time does: crosses mark " +
  "them, and dashed bars show what the gradient would be in full. A solid frame marks where a gradient is, a dashed " +
  "one where it goes. In the ledger each weight shows one element; choose another in its details.";

function help() {
  const close = make("button", { onclick: () => byId("keys").close() }, "Close");
  const line = ([keys, what]) => [make("dt", null, make("kbd", null, keys)), make("dd", null, what)];
  byId("keys").replaceChildren(make("header", null, make("h2", { id: "keys-title" }, "Keys"), close),
    make("dl", null, Object.entries(HELP).flatMap(line)), make("p", null, ABOUT));
  byId("keys").showModal();
}

const ACTIONS = {
  home: () => go(0),
  back: () => go(view.position - 1),
  play,
  forth: () => go(view.position + 1),
  end: () => go(Infinity),
  predict: togglePredict,
  table: toggleTable,
  help,
  out: () => zoom(view.zoom / 1.25),
  in: () => zoom(view.zoom * 1.25),
  fit: () => zoom(fitting()),
};
const KEYS = {
  ArrowRight: ACTIONS.forth,
  ArrowLeft: ACTIONS.back,
  PageDown: () => jump(1),
  PageUp: () => jump(-1),
  Home: ACTIONS.home,
  End: ACTIONS.end,
  " ": play,
  p: togglePredict,
  t: toggleTable,
  "?": help,
  "+": ACTIONS.in,
  "=": ACTIONS.in,
  "-": ACTIONS.out,
  0: ACTIONS.fit,
  Escape: () => (view.details !== null ? close() : byId("events").hidden || toggleTable()),
};

function pressed(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || byId("keys").open) return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  const { tagName, type, id } = e.target;
  if (key !== "Escape") {
    if ((tagName === "INPUT" && type === "text") || tagName === "SELECT") return;
    if (id === "cut" && /^(Arrow|Page|Home|End)/.test(key)) return;
    if (key === " " && (tagName === "BUTTON" || type === "checkbox")) return;
  }
  if (!Object.hasOwn(KEYS, key)) return;
  e.preventDefault();
  if (key !== " ") pause();
  KEYS[key]();
}

function start() {
  for (const [id, action] of Object.entries(ACTIONS)) byId(id).addEventListener("click", action);
  byId("position").addEventListener("input", (e) => go(Number(e.target.value)));
  byId("cut").addEventListener("input", (e) => truncate(lengths[Number(e.target.value)]));
  byId("cutting").hidden = lengths.length < 2;
  byId("cut").max = lengths.length - 1;
  document.addEventListener("keydown", pressed);
  byId("stage").style.setProperty("--sheet", svg.querySelector(":scope > rect")?.getAttribute("fill"));
  preparePicture();
  pan();
  truncate(0);
  zoom(Math.min(fitting(), 1.4), false);
}

start();

/** The sums so far, by the id of the box, and by name for parameters. */
function namedSums() {
  const found = {};
  known().forEach((entry, n) => {
    const sum = whole(entry);
    if (!sum) return;
    found[boxes[n].id] = nested(sum);
    if (boxes[n].kind === "parameter" && boxes[n].name) found[boxes[n].name] = nested(sum);
  });
  return found;
}

const state = () => ({
  position: view.position,
  count: walk(view.k).events.length,
  truncation: view.k,
  gradients: namedSums(),
});
const id = (n) => (n === undefined ? null : boxes[n].id);
const plain = ({ pass, box, parent, edge }) => [pass, id(box), id(parent), edge ?? null];
const events = () => walk(view.k).events.map(plain);
window.stepper = { go, truncate, state, events };
})();
