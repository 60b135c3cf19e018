// The page: what is asked for, the text as it grows, and the unit that colours it.

import { drawHeat, unitAt, columnAt } from "./heat.js";
import { find, PROPERTIES } from "./find.js";
import { palette } from "./colours.js";

const byId = (id) => document.getElementById(id);
const FIELDS = ["prime", "length", "temperature", "top_k", "top_p", "seed"];
const SIGNIFICANT = { " ": "space", "\n": "new line", "\t": "tab" };

let model = null; // what GET /model says
let colours = palette();
let running = null; // the AbortController of what is being generated
let expected = 1; // characters, the given ones too
const steps = []; // on the page: {text, p: null if it was given, values: one Float32Array a layer, scales}
const ranges = []; // for each layer, which value has the full colour: 1, or the largest if that is more
const view = { layer: 0, unit: 0, look: null };

const value = (step) => step.values[view.layer][view.unit];
const range = () => ranges[view.layer] ?? 1;
const shown = (number) => number.toFixed(2).replace("-", "−");

// What is asked for

function wish() {
  const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
  const asked = { prime: byId("prime").value };
  for (const id of FIELDS.slice(1)) asked[id] = number(id);
  for (const id of FIELDS.slice(1, 3).concat("seed")) if (asked[id] === null) delete asked[id];
  return asked;
}

async function generate() {
  const asked = wish();
  clear(asked);
  const controller = new AbortController();
  running = controller;
  byId("go").textContent = "Stop";
  say("Generating …");
  const began = (last = performance.now());
  requestAnimationFrame(frame);
  try {
    const answer = await fetch("stream", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
      signal: controller.signal,
    });
    if (!answer.ok) return await refuse(answer);
    let ended = false;
    for await (const line of linesOf(answer.body)) {
      if (line.error) throw new Error(line.error);
      if (line.end) ended = true;
      else waiting.push(read(line));
    }
    if (!ended) throw new Error("the server went away");
    const seconds = (performance.now() - began) / 1000;
    while (waiting.length && !controller.signal.aborted) await new Promise(requestAnimationFrame);
    controller.signal.throwIfAborted();
    say(`${counted(written())} in ${seconds.toFixed(1)} s`);
  } catch (error) {
    if (controller.signal.aborted) say(`Stopped after ${counted(written())}`);
    else say(error instanceof TypeError ? "The server does not answer." : sentence(error.message), true);
  } finally {
    put(controller.signal.aborted ? [] : waiting.splice(0));
    running = null;
    byId("go").textContent = "Generate";
    rank();
  }
}

async function refuse(answer) {
  const told = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  say(sentence(told.error), true);
  if (!told.field) return;
  byId(told.field).setAttribute("aria-invalid", "true");
  byId(told.field).focus();
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value: text } = await reader.read();
    if (done) return;
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

const written = () => steps.filter((step) => step.p !== null).length;
const counted = (count) => `${count.toLocaleString("en")} ${model.unit}${count === 1 ? "" : "s"}`;
const sentence = (text) => text[0].toUpperCase() + text.slice(1) + ".";

function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", wrong);
}

// The text

function clear(asked) {
  steps.length = ranges.length = waiting.length = 0;
  expected = Math.max(1, [...asked.prime].length + (asked.length ?? 0));
  view.look = null;
  byId("text").replaceChildren();
  byId("found").replaceChildren();
  byId("look").textContent = "";
  for (const id of FIELDS) byId(id).removeAttribute("aria-invalid");
  byId("progress").value = 0;
  paint();
}

function read(line) {
  const values = line.activations.map((text, layer) => {
    const bytes = Int8Array.from(atob(text), (character) => character.charCodeAt(0));
    return Float32Array.from(bytes, (byte) => (byte * line.scales[layer]) / 127);
  });
  return { text: line.text, p: line.p, values, scales: line.scales };
}

const waiting = []; // steps that have come and are not on the page yet
let [due, last] = [0, 0]; // how many of them may be put there, and when that was reckoned

/** Once a frame: put on the page what has come, as many a second as was chosen. */
function frame(now) {
  const pace = Number(byId("pace").value);
  due = pace ? Math.min(due, 1) + (pace * Math.max(0, now - last)) / 1000 : Infinity;
  last = now;
  const count = Math.min(Math.floor(due), waiting.length);
  due -= count;
  put(waiting.splice(0, count));
  if (running) requestAnimationFrame(frame);
}

function put(fresh) {
  if (!fresh.length) return;
  const text = byId("text");
  const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
  const before = range();
  for (const { scales } of fresh) scales.forEach((scale, n) => (ranges[n] = Math.max(scale, ranges[n] ?? 1)));
  if (range() !== before) repaint();
  const added = document.createDocumentFragment();
  for (const step of fresh) {
    const span = document.createElement("span");
    span.textContent = step.text;
    if (step.p === null) span.classList.add("given");
    if (step.text === "\n") span.classList.add("line");
    colour(span, step);
    added.append(span);
  }
  steps.push(...fresh);
  text.append(added);
  if (atEnd && running) text.scrollTop = text.scrollHeight;
  byId("progress").value = steps.length / expected;
  paint();
}

function colour(span, step) {
  span.style.backgroundColor = colours.css(value(step) / range());
}

// The unit

function choose(layer, unit) {
  view.layer = Math.max(0, Math.min(layer, model.units.length - 1));
  const last = model.units[view.layer] - 1;
  view.unit = Math.max(0, Math.min(unit, last));
  byId("layer").value = view.layer;
  for (const id of ["unit", "slider"]) {
    byId(id).max = last;
    byId(id).value = view.unit;
  }
  byId("heat").setAttribute("aria-valuemax", last);
  byId("heat").setAttribute("aria-valuenow", view.unit);
  byId("heat").setAttribute("aria-valuetext", `unit ${view.unit} of layer ${view.layer}`);
  for (const button of byId("found").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.unit === `${view.layer} ${view.unit}`));
  }
  repaint();
}

/** All that has the unit's colours. */
function repaint() {
  const spans = byId("text").children;
  for (let n = 0; n < spans.length; n++) colour(spans[n], steps[n]);
  byId("low").textContent = `−${range() === 1 ? 1 : range().toFixed(1)}`;
  byId("high").textContent = range() === 1 ? 1 : range().toFixed(1);
  colours.legend(byId("scale"));
  paint();
}

function paint() {
  if (!model) return;
  drawHeat(byId("heat"), { steps, expected, range: range(), units: model.units[view.layer], ...view, colours });
  tell();
}

function look(n, follow = false) {
  byId("text").querySelector(".looked")?.classList.remove("looked");
  view.look = n === null || !steps.length ? null : Math.max(0, Math.min(n, steps.length - 1));
  const span = byId("text").children[view.look];
  span?.classList.add("looked");
  if (follow) span?.scrollIntoView({ block: "nearest" });
  paint();
}

function tell() {
  const line = byId("look");
  const step = steps[view.look];
  if (!step) return void (line.textContent = `Unit ${view.unit} of layer ${view.layer}`);
  const name = document.createElement("b");
  name.textContent = SIGNIFICANT[step.text] ?? step.text;
  const p = step.p === null ? "given" : `p = ${step.p.toFixed(step.p < 0.01 ? 4 : 2)}`;
  const where = `${model.unit} ${view.look + 1}`;
  const rest = `  ${p} · unit ${view.unit} of layer ${view.layer}: ${shown(value(step))} · ${where}`;
  line.replaceChildren(name, rest);
}

function rank() {
  const list = byId("found");
  list.replaceChildren();
  const ranked = steps.length > 1 ? find(steps, byId("property").value) : [];
  for (const { layer, unit, score } of ranked.slice(0, 6)) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.unit = `${layer} ${unit}`;
    button.setAttribute("aria-pressed", String(layer === view.layer && unit === view.unit));
    button.onclick = () => choose(layer, unit);
    const name = document.createElement("span");
    const number = document.createElement("span");
    name.textContent = model.units.length > 1 ? `layer ${layer}, unit ${unit}` : `unit ${unit}`;
    number.textContent = shown(score);
    button.append(name, number);
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  if (ranked.length || !steps.length) return;
  const item = document.createElement("li");
  item.textContent = "The text has too little of it.";
  list.append(item);
}

// Wiring

function keys(event) {
  const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (by[0]) choose(view.layer, view.unit + by[0]);
  if (by[1]) look((view.look ?? -1) + by[1], true);
}

function wire() {
  byId("controls").onsubmit = (event) => {
    event.preventDefault();
    if (running) running.abort();
    else generate();
  };
  byId("prime").onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("controls").requestSubmit();
  };
  byId("another").onclick = () => {
    byId("seed").value = Math.floor(Math.random() * 1e6);
    if (!running) generate();
  };
  byId("temperature").oninput = () => (byId("temperature-now").value = Number(byId("temperature").value));
  byId("layer").onchange = () => choose(Number(byId("layer").value), view.unit);
  for (const id of ["unit", "slider"]) byId(id).oninput = () => choose(view.layer, Math.round(Number(byId(id).value)));
  byId("property").onchange = rank;
  byId("text").onpointerover = (event) => {
    const n = [...byId("text").children].indexOf(event.target);
    if (n >= 0) look(n);
  };
  byId("heat").onpointermove = (event) => look(columnAt(event, expected, steps.length), true);
  byId("heat").onclick = (event) => choose(view.layer, unitAt(event, model.units[view.layer]));
  for (const id of ["text", "heat"]) byId(id).onkeydown = keys;
  new ResizeObserver(paint).observe(byId("heat"));
  matchMedia("(prefers-color-scheme: dark)").onchange = () => {
    colours = palette();
    repaint();
  };
}

async function start() {
  wire();
  const answer = await fetch("model");
  model = await answer.json();
  const units = [...new Set(model.units)].join(", ");
  const layers = model.layers === 1 ? "1 layer" : `${model.layers} layers`;
  byId("name").textContent = document.title = model.name;
  byId("about").textContent =
    `${model.cell}, ${layers} of ${units} units, ${model.parameters.toLocaleString("en")} parameters, ` +
    `${model.vocabulary.toLocaleString("en")} ${model.unit}s`;
  byId("prime").maxLength = model.limits.prime;
  byId("length").max = model.limits.length;
  byId("length").value = Math.min(400, model.limits.length);
  for (const [n] of model.units.entries()) byId("layer").add(new Option(n));
  for (const name of Object.keys(PROPERTIES)) byId("property").add(new Option(name));
  choose(model.units.length - 1, 0);
  document.body.dataset.ready = "yes";
}

start().catch(() => say("The server does not answer.", true));
