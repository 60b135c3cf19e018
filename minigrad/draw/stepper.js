"use strict";
(() => {
const data = JSON.parse(document.getElementById("graph").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const { boxes, edges } = data;
const still = matchMedia("(prefers-reduced-motion: reduce)");

// Arrays. Sums are rounded as the engine rounds them, so that the last one is the gradient to the last bit.

const ROUND = { f4: Math.fround, f2: Math.f16round || ((x) => x) };

function decode([shape, kind, numbers]) {
  if (kind === "") return { shape, kind, values: null, norm: Number(numbers) };
  const round = ROUND[kind] || ((x) => x);
  const values = numbers === "" ? [] : numbers.split(" ").map((x) => round(Number(x)));
  return { shape, kind, values, norm: Math.hypot(...values) };
}

const arrays = [];
for (const entry of data.arrays) {
  arrays.push(typeof entry[1] === "string" ? decode(entry) : { parts: entry.map((n) => arrays[n]) });
}
const array = (n) => (n === null || n < 0 ? null : arrays[n]);

function add(a, b) {
  if (!a) return b;
  if (!a.values || !b.values || a.values.length !== b.values.length) return b;
  const round = ROUND[b.kind] || ((x) => x);
  const values = a.values.map((x, i) => round(x + b.values[i]));
  return { shape: b.shape, kind: b.kind, values, norm: Math.hypot(...values) };
}

function nested({ shape, values }) {
  if (!values) return null;
  let level = values;
  for (const length of shape.slice(1).reverse()) {
    const rows = [];
    for (let i = 0; i < level.length; i += length) rows.push(level.slice(i, i + length));
    level = rows;
  }
  return shape.length ? level : values[0];
}

// How numbers are written

function digits(x, most = 4) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x < 0 ? "−∞" : "∞";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x).replace("-", "−");
  const size = Math.abs(x);
  const told = size < 1e-3 || size >= 10 ** Math.max(most, 5) ? x.toExponential(most - 2) : Number(x.toPrecision(most));
  return String(told).replace("e+", "e").replace("-", "−").replace("e-", "e−");
}

/** Without the zero in front. */
const short = (number) => number.replace(/^(−?)0\./, "$1.");

const written = (a, most = 4) => {
  if (!a) return "nothing";
  if (a.parts) return a.parts.map((part) => written(part, most)).join(", ");
  if (!a.values) return `an array of ${a.shape.join("×")}, norm ${digits(a.norm)}`;
  const shown = a.values.slice(0, 8).map((x) => digits(x, most)).join(" ");
  return a.values.length === 1 ? shown : `[${shown}${a.values.length > 8 ? " …" : ""}]`;
};

/** The lines in which the picture writes an array: see `numbers` in text.py. */
function lines({ shape, values }) {
  const full = shape.join("×");
  const own = [...shape];
  while (own.length > 1 && own[0] === 1) own.shift();
  const told = values.map((x) => digits(x, 3));
  if (values.length === 1) return told;
  if (own.length === 1 && values.length <= 4) return [`[${told.join(" ")}]`];
  if (own.length === 2 && own[0] <= 3 && own[1] <= 4) {
    const columns = [...Array(own[1]).keys()];
    const widths = columns.map((c) => Math.max(...told.filter((_, i) => i % own[1] === c).map((x) => x.length)));
    const row = (r) => columns.map((c) => told[r * own[1] + c].padStart(widths[c])).join(" ");
    return [...Array(own[0]).keys()].map((r) => `[${row(r)}]`);
  }
  return [`[${told[0]} … ${told.at(-1)}] ${full}`];
}

// Elements

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const span = (kind, ...children) => make("span", { class: kind }, ...children);
const para = (kind, ...children) => make("p", { class: kind }, ...children);
const cell = (...children) => make("td", null, ...children);
const head = (scope, ...children) => make("th", { scope }, ...children);

/** A name, h_3 with its index set lower. */
function named(text) {
  const span = make("span");
  text.split(/(\b[^\s_]{1,2}_[^\s_=]{1,6}(?=$|[\s=]))/u).forEach((piece, i) => {
    const [stem, index] = piece.split("_");
    span.append(...(i % 2 ? [stem, make("sub", null, index.replace("-", "−"))] : [piece]));
  });
  return span;
}

/** An array as a grid of numbers; `watch` is the element to be marked, `pick` makes buttons of them. */
function grid(a, { watch, pick, most = 8, small = false } = {}) {
  if (!a) return make("span", { class: "grid one wait" }, "–");
  if (a.parts) return make("span", { class: "equation" }, a.parts.map((part) => grid(part, { most, small: true })));
  if (!a.values) return make("span", { class: "grid one" }, `${a.shape.join("×")}, ‖·‖ = ${digits(a.norm)}`);
  const columns = a.shape.length ? a.shape.at(-1) : 1;
  const rows = columns ? a.values.length / columns : 0;
  const wide = Math.min(columns, most);
  const high = Math.min(rows, most);
  const size = wide > 6 || small ? " wider" : wide > 2 ? " wide" : "";
  const precision = wide <= 2 || isHidden(current()) ? 4 : wide > 6 ? 2 : 3; // whoever is to guess needs all of them
  const cells = [];
  for (let r = 0; r < high; r++) {
    for (let c = 0; c < wide; c++) {
      const i = r * columns + c;
      const number = digits(a.values[i], precision);
      const text = c === wide - 1 && columns > wide ? "…" : wide > 6 ? short(number) : number;
      const mark = i === watch ? "watched" : null;
      cells.push(
        pick
          ? make("button", { class: mark, title: `watch element ${place(a.shape, i)}`, onclick: () => pick(i) }, text)
          : make("span", { class: mark, title: String(a.values[i]) }, text),
      );
    }
  }
  if (rows > high) cells.push(make("span", null, "⋮"));
  const one = a.values.length === 1 ? " one" : "";
  const style = `grid-template-columns: repeat(${wide || 1}, auto)`;
  return make("span", { class: `grid${one}${size}`, style }, cells);
}

/** Where element `i` stands, as [1,3]. */
function place(shape, i) {
  const index = [];
  for (const length of [...shape].reverse()) {
    index.unshift(i % length);
    i = Math.floor(i / length);
  }
  return index.length ? `[${index}]` : "";
}

function formula(n) {
  const span = make("span");
  span.innerHTML = data.formulas[n][0]; // MathML in which every name is escaped
  return span;
}

const term = (kind, name, body) => span(`term ${kind}`, span("name", name), body);
const sign = (text) => span("sign", text);
/** A sign that stays with what comes after it. */
const after = (lead, ...rest) => span("after", typeof lead === "string" ? sign(lead) : lead, ...rest);
const rule = (content) => span("rule", content);
const unknown = () => span("grid one", "?");
/** What a box is called in an event of time step `step`. */
const title = (box, step = current()?.step) =>
  box.step === null || box.name || box.step === step ? box.title : `${box.title}, ${stepLabel(box.step)}`;
const stepLabel = (step) => data.steps.find((group) => group.step === step)?.label ?? "";
const atStep = ({ step }) => (step === null ? "" : stepLabel(step));
const told = (box) => (box.name || box.formula === null ? named(title(box)) : formula(box.formula));
const nabla = (box) => make("span", null, "∇", named(title(box)));

// Events: the forward pass, then where a walk starts, then its moves

const forward = boxes.map((box, n) => ({ pass: "forward", box: n, step: box.step }));

function walkOf(k) {
  const { seeds, moves } = data.walks[k];
  const common = (box, message) => ({ pass: "backward", box, step: boxes[box].step, message: array(message) });
  const events = seeds.map(([box, message]) => ({ ...common(box, message), seed: true }));
  for (let i = 0; i < moves.length; i += 8) {
    const [box, parent, edge, rule, upstream, local, message, now] = moves.slice(i, i + 8);
    const numbers = { upstream: array(upstream), local: array(local), now: array(now) };
    const ends = { parent, edge: edge < 0 ? null : edge, inside: box === parent };
    events.push({ ...common(box, message), ...ends, ...numbers, rule });
  }
  const uses = boxes.map(() => []);
  for (const event of events) if (!event.seed && !event.inside) uses[event.parent].push(event);
  return { events: [...forward, ...events], uses };
}

const walks = new Map();
const lengths = Object.keys(data.walks).map(Number).sort((a, b) => a - b);
const walk = (k) => walks.get(k) || walks.set(k, walkOf(k)).get(k);

/** The gradients after the first `position` events: of each box the sum so far (by result), and what it is made of. */
function gradients({ events }, position) {
  const found = boxes.map(() => ({ sums: new Map(), terms: [] }));
  const take = (box, key, event) => {
    const entry = found[box];
    entry.sums.set(key, event.now || add(entry.sums.get(key), event.message));
    entry.terms.push(event);
  };
  for (const event of events.slice(forward.length, position)) {
    if (event.seed) take(event.box, "", event);
    else if (!event.inside) take(event.parent, part(event), event);
  }
  return found;
}

/** Which of several results, or blocks of one, a gradient is for; "" for the whole. */
const part = ({ parent, edge, message }) => {
  const { several, shape } = boxes[parent];
  const isWhole = edge === null || (!several && shape === (message.shape.join("×") || "scalar"));
  return isWhole ? "" : edges[edge].label || `edge ${edge}`;
};

const whole = (entry) => (entry.sums.size === 1 ? [...entry.sums.values()][0] : null);
const finals = new Map();
const final = (k) => finals.get(k) || finals.set(k, gradients(walk(k), walk(k).events.length)).get(k);

// What is shown now

const view = { k: 0, position: 0, playing: null, zoom: 1, details: null, log: false };
const guessing = { on: false, seen: new Set(), right: 0, asked: 0, verdict: "" };
const watched = new Map();

const current = () => (view.position ? walk(view.k).events[view.position - 1] : null);
const isAsked = (event) => guessing.on && event && event.message && event.pass === "backward" && !event.seed;
const isHidden = (event) => isAsked(event) && !guessing.seen.has(event);
const known = () => gradients(walk(view.k), view.position - (isHidden(current()) ? 1 : 0));

function watch(box) {
  if (!watched.has(box)) {
    const values = whole(final(0)[box])?.values ?? [0];
    watched.set(box, values.reduce((best, x, i) => (Math.abs(x) > Math.abs(values[best]) ? i : best), 0));
  }
  return watched.get(box);
}

function go(position) {
  view.position = Math.max(0, Math.min(walk(view.k).events.length, Math.round(position)));
  guessing.verdict = "";
  show();
  follow();
}

function show() {
  const state = known();
  showNow(state);
  showSums(state);
  showNorms(state);
  showPicture(state);
  showControls();
  markRow();
  if (view.details !== null) showDetails(state);
}

// The rule, with its numbers

function showNow(state) {
  const event = current();
  const tell = !event ? tellStart : event.pass === "forward" ? tellForward : tellBackward;
  byId("now").replaceChildren(...tell(event, state).filter(Boolean));
  byId("said").textContent = event ? words(event, state) : "At the start. The right arrow key goes to the first event.";
}

function tellStart() {
  const back = walk(0).events.length - forward.length;
  const key = (name) => make("kbd", null, name);
  return [
    make("h2", null, "At the start"),
    para("story", `${forward.length} values forward${back ? `, ${back} steps back` : ""}`),
    para("", "Press ", key("→"), " for the next event, ", key("Space"), " to play, ", key("?"), " for all keys."),
    data.why && para("note", data.why),
  ];
}

function heading(event) {
  const isForward = event.pass === "forward";
  const place = [isForward ? "Forward" : "Backward", atStep(event)].filter(Boolean).join(" · ");
  const number = view.position - (isForward ? 0 : forward.length);
  const count = isForward ? forward.length : walk(view.k).events.length - forward.length;
  return make("h2", null, make("span", null, place), make("span", null, `${number} of ${count}`));
}

function inputs(n) {
  const found = edges.filter((edge) => edge.target === n && edge.source !== n);
  return found.map((edge) => ({ ...edge, box: boxes[edge.source] }));
}

const noValue = ({ several, shape }) => (several ? `several values: ${shape}` : `${shape}: too large to be shown`);
const valueOf = (box) => (array(box.data) ? grid(array(box.data)) : span("wait", noValue(box)));

function tellForward(event) {
  const box = boxes[event.box];
  const found = inputs(event.box);
  const shown = found.length <= 4 ? found : [...found.slice(0, 3), null, found.at(-1)];
  const infix = found.length === 2 && /^[+−×÷@]$/u.test(box.symbol);
  const pieces = shown.map((input, i) => {
    if (!input) return sign("…");
    const name = title(input.box) + (input.label ? ` (${input.label})` : "");
    const piece = term("", named(name), grid(array(input.box.data)));
    return i && infix ? after(box.symbol, piece) : piece;
  });
  const result = term("now", named(title(box)), valueOf(box));
  pieces.push(found.length ? after(infix ? "=" : rule(box.symbol), result) : result);
  const kind = found.length ? "" : ` is given (${box.kind === "state" ? "initial state" : box.kind})`;
  return [
    heading(event),
    para("story", named(box.name ? box.label : box.title), kind),
    box.formula !== null && make("p", null, formula(box.formula)),
    make("div", { class: "equation" }, pieces),
    view.position === walk(view.k).events.length && data.why && para("note", data.why),
  ];
}

function tellBackward(event, state) {
  const box = boxes[event.box];
  if (event.seed) {
    const start = term("message", nabla(box), grid(event.message));
    return [heading(event), para("story", "The walk starts at ", told(box)), make("div", { class: "equation" }, start)];
  }
  const hidden = isHidden(event);
  const name = event.inside ? "message, on within the box" : "message";
  const message = term("message", name, hidden ? unknown() : grid(event.message));
  const pieces = [term("up", ["upstream ", nabla(box)], grid(event.upstream))];
  const how = event.rule < 0 ? null : formula(event.rule);
  if (event.local) {
    const summed = count(event.message) < Math.max(count(event.upstream), count(event.local));
    pieces.push(after("×", term("local", ["local ", how || "derivative"], grid(event.local))));
    pieces.push(after(summed ? "summed =" : "=", message));
  } else {
    pieces.push(...given(event), after(rule(how || box.symbol), message));
  }
  return [
    heading(event),
    para("story", told(box), event.inside ? ": a step within" : [" → ", told(boxes[event.parent])]),
    make("div", { class: "equation" }, pieces),
    isAsked(event) && askFor(event),
    !event.inside && tellSum(event, state, hidden),
  ];
}

const count = (a) => (a.values ? a.values.length : 1);

/** The numbers that a rule works with where it is no product. */
function given(event) {
  const found = inputs(event.box).filter((input) => array(input.box.data)?.values && input.source !== event.parent);
  return found.length > 2 ? [] : found.map((input) => term("", named(title(input.box)), grid(array(input.box.data))));
}

/** Where a message is added: what was there, what comes, what is there now, and what is still to come. */
function tellSum(event, state, hidden) {
  const parent = boxes[event.parent];
  const uses = walk(view.k).uses[event.parent].filter((other) => part(other) === part(event));
  const at = uses.indexOf(event);
  const before = gradients(walk(view.k), view.position - 1)[event.parent].sums.get(part(event));
  const name = [nabla(parent), part(event) && !part(event).startsWith("edge") ? `, result ${part(event)}` : ""];
  const sum = hidden ? unknown() : grid(state[event.parent].sums.get(part(event)));
  const pieces = [term("now", "first to arrive", sum)];
  if (before) {
    const message = hidden ? unknown() : grid(event.message);
    pieces.splice(0, 1, term("", "so far", grid(before)), after("+", term("message", "this", message)));
    pieces.push(after("=", term("now", "now", sum)));
  }
  const left = uses.slice(at + 1);
  const sources = [...new Set(left.map(whence))];
  const more = sources.length > 4 ? ` … (${left.length} in all)` : "";
  const rest = `still to come: ${(more ? sources.slice(0, 3) : sources).join(", ")}${more}`;
  const complete = uses.length > 1 ? `complete: all ${uses.length} uses have come` : "complete: its only use";
  const equation = make("div", { class: "equation" }, pieces);
  const pending = para("pending", left.length ? named(rest) : complete);
  return make("div", { class: "added" }, make("h3", null, "Added to ", name), equation, pending);
}

const whence = (event) => (event.edge === null ? `from ${boxes[event.box].title}` : edges[event.edge].whence);

/** An event in words. */
function words(event, state) {
  const box = boxes[event.box];
  const at = event.step === null ? "" : ` at ${stepLabel(event.step)}`;
  if (event.pass === "forward") {
    const value = array(box.data);
    return `Forward: ${box.label}${at}${value ? `, value ${written(value)}` : ""}.`;
  }
  if (event.seed) return `The backward walk starts at ${title(box)} with ${written(event.message)}.`;
  const parent = boxes[event.parent];
  const start = `Backward${at}: ${title(box)} to ${title(parent)}. Upstream ${written(event.upstream)}`;
  const local = event.local ? `, times local derivative ${written(event.local)}` : "";
  if (isHidden(event)) return `${start}${local}: what is the message?`;
  const how = event.local || event.rule < 0 ? local : `, by the rule ${data.formulas[event.rule][1]}`;
  const sum = event.inside ? null : state[event.parent].sums.get(part(event));
  const now = sum ? ` Gradient of ${title(parent)} now ${written(sum)}.` : "";
  return `${start}${how}, is message ${written(event.message)}.${now}`;
}

// Predict, then reveal

function askFor(event) {
  if (guessing.seen.has(event)) return guessing.verdict ? para("verdict", guessing.verdict) : null;
  const reveal = make("button", { id: "reveal", type: "button" }, "Reveal");
  reveal.onclick = () => {
    guessing.seen.add(event);
    show();
  };
  const { values, shape } = event.message;
  if (!values) return make("div", { class: "guess" }, reveal);
  const i = Math.max(0, values.findIndex((x) => x !== 0));
  const label = `your guess for element ${place(shape, i)} of the message`;
  const field = make("input", { id: "guess", type: "text", autocomplete: "off", "aria-label": label });
  const check = (submitted) => {
    submitted.preventDefault();
    const guess = Number(field.value.trim().replace("−", "-").replace(",", "."));
    if (field.value.trim() !== "" && !Number.isNaN(guess)) judge(event, guess, values[i]);
  };
  const at = (a) => (a?.values?.length === values.length ? digits(a.values[i]) : null);
  const factors = [at(event.upstream), at(event.local)];
  const asked = factors.includes(null) ? `message${place(shape, i)} =` : `${place(shape, i)} ${factors.join(" × ")} =`;
  const submit = make("button", { id: "check" }, "Check");
  return make("form", { class: "guess", onsubmit: check }, asked, field, submit, reveal);
}

function judge(event, guess, truth) {
  const right = Math.abs(guess - truth) <= 0.01 * Math.abs(truth) + 1e-12;
  guessing.asked += 1;
  guessing.right += right;
  guessing.seen.add(event);
  guessing.verdict = right ? `✓ Right: ${digits(truth)}` : `✗ Not ${digits(guess)}: it is ${digits(truth)}`;
  show();
  byId("said").textContent = guessing.verdict;
}

function togglePredict() {
  Object.assign(guessing, { on: !guessing.on, seen: new Set(), right: 0, asked: 0, verdict: "" });
  if (guessing.on) pause();
  if (!byId("events").hidden) showTable();
  show();
}

// The ledger: the gradient of each weight as the sum of its terms

const columns = (() => {
  const used = data.ledger.flatMap((box) => walk(0).uses[box]);
  if (!data.steps.length) {
    const most = Math.max(1, ...data.ledger.map((box) => walk(0).uses[box].length));
    const label = (n) => (most > 1 ? `use ${n + 1}` : "its use");
    return [...Array(most).keys()].map((n) => ({ label: label(n), has: (event, i) => i === n }));
  }
  const steps = data.steps.map(({ step, label }) => ({ label, has: (event) => event.step === step }));
  const outside = { label: "outside", has: (event) => event.step === null };
  return used.some((event) => event.step === null) ? [...steps, outside] : steps;
})();

/** The terms of a weight's gradient by column, each {sum, come: are all of them there}. */
function terms(k, box, entry) {
  const uses = walk(k).uses[box];
  return columns.map((column) => {
    const all = uses.filter(column.has);
    const come = all.filter((event) => entry.terms.includes(event));
    return { sum: come.reduce((sum, event) => add(sum, event.message), null), count: all.length, come: come.length };
  });
}

function showSums(state) {
  const sums = byId("sums");
  if (!data.ledger.length) return sums.replaceChildren(make("h2", null, "Nothing here needs a gradient"));
  const narrow = columns.length > 12;
  const heads = columns.map(({ label }) => head("col", narrow ? label.replace(/^.*= /, "") : label));
  const first = make("th", { scope: "col", class: "name" }, `∇W = Σ over ${data.steps.length ? "time" : "uses"}`);
  const last = make("th", { scope: "col", class: "sum" }, "so far");
  sums.replaceChildren(make("table", { class: narrow ? "narrow" : null },
    make("thead", null, make("tr", null, first, heads, last)),
    make("tbody", null, data.ledger.map((n) => ledgerLine(n, state[n], narrow)))));
}

/** A line of the ledger: one element of each term and a bar of its norm, and the sum so far. */
function ledgerLine(n, entry, narrow) {
  const event = current();
  const complete = terms(0, n, final(0)[n]);
  const top = Math.max(...complete.map((each) => each.sum?.norm ?? 0)) || 1;
  const [sum, full] = [whole(entry), whole(final(0)[n])];
  const i = watch(n);
  const pick = (a, most) => (a.values ? digits(a.values[i], most) : `‖${digits(a.norm, most)}‖`);
  const isNew = event && event.parent === n && !isHidden(event);
  const cells = terms(view.k, n, entry).map((each, c) => {
    const was = complete[c];
    const fresh = isNew && columns[c].has(event, walk(view.k).uses[n].indexOf(event));
    const missing = each.count ? "·" : was.count ? "cut" : "";
    const text = each.sum ? pick(each.sum, columns.length > 4 ? 2 : 3) : missing;
    const said = `${columns[c].label}: ${each.sum ? written(each.sum, 3) : each.count ? "to come" : "none"}`;
    const size = bar(each.sum?.norm ?? 0, view.k && was.sum ? was.sum.norm : null, top);
    const kind = fresh ? "fresh" : each.sum ? null : "wait";
    const number = columns.length > 6 ? short(text) : text;
    return make("td", { class: kind, title: said }, narrow ? "" : number, each.count > 0 && size);
  });
  const button = make("button", { "data-weight": boxes[n].id, title: "its terms, in full" }, nabla(boxes[n]));
  button.onclick = () => open(n, button);
  const kept = array(boxes[n].grad);
  const waiting = data.walks[0].moves.length ? "= ·" : kept ? pick(kept, 3) : "not computed";
  return make("tr", null, head("row", button, full?.values ? place(full.shape, i) : ""), cells,
    make("td", { class: `sum${sum ? "" : " wait"}` }, sum ? `= ${pick(sum, 3)}` : waiting,
      view.k > 0 && full && make("small", null, `full ${pick(full, 3)}`)));
}

/** A small bar; `full` is what it would be without truncation. */
function bar(size, full, most) {
  const part = (kind, x) => make("i", { class: kind, style: `width: ${Math.min(100, (100 * x) / most).toFixed(1)}%` });
  return make("span", { class: "size", "aria-hidden": "true" }, part(null, size), full !== null && part("full", full));
}

// The sizes of the gradients of states over time

function showNorms(state) {
  const pane = byId("norms");
  pane.hidden = !data.states.length || !data.walks[0].moves.length;
  if (!pane.hidden) pane.replaceChildren(...data.states.map((each, i) => barsOf(each, state, i === 0)));
}

function barsOf({ name, band, boxes: members }, state, isFirst) {
  const norm = (found, n) => whole(found[n])?.norm ?? 0;
  const tops = members.flatMap((n) => [norm(final(0), n), norm(final(view.k), n)]).filter((x) => x > 0);
  const [least, most] = [Math.min(...tops), Math.max(...tops)];
  const height = (x) => {
    if (!(x > 0)) return 0;
    if (!view.log || least === most) return (100 * x) / most;
    return Math.max(3, 3 + (97 * Math.log(x / least)) / Math.log(most / least));
  };
  const stick = (kind, x) => make("i", { class: kind, style: `height: ${height(x).toFixed(1)}%` });
  const spans = members.map((n) => {
    const size = norm(state, n);
    const isPart = state[n].terms.length < walk(view.k).uses[n].length;
    const full = view.k ? norm(final(0), n) : 0;
    const said = `‖∇${boxes[n].title}‖ = ${size ? digits(size, 3) : "not yet known"}${isPart && size ? " so far" : ""}`;
    const sticks = span("column", stick(isPart ? "part" : null, size), full > 0 && stick("full", full));
    return make("span", { title: said }, sticks,
      members.length <= 10 && make("small", null, size ? short(digits(size, 2)) : "·"),
      members.length <= 16 && String(boxes[n].step).replace("-", "−"));
  });
  const box = make("input", { type: "checkbox" });
  box.checked = view.log;
  box.onchange = () => {
    view.log = box.checked;
    show();
  };
  const dashed = view.k > 0 && make("small", null, " dashed: in full");
  const caption = make("span", null, "‖∇", named(`${name}_t`), "‖", band && ` ${band}`, dashed);
  const words = members.map((n) => `${boxes[n].title} ${norm(state, n) ? digits(norm(state, n), 3) : "not yet known"}`);
  return make("div", { class: "bars" }, make("h2", null, caption, isFirst && make("label", null, box, " log")),
    make("div", { class: "plot", role: "img", "aria-label": `Sizes of gradients: ${words.join(", ")}` }, spans));
}

// The picture

const nodes = boxes.map((box) => document.querySelector(`[data-node="${box.id}"]`));
const svg = document.querySelector("#picture svg");
const overlay = draw("g", { id: "overlay" });
const ways = edges.map(({ path }) => overlay.appendChild(draw("path", { d: path, class: "way" })));
const cuts = overlay.appendChild(draw("g", {}));
const comes = new Map([...document.querySelectorAll("[data-back]")].map((g) => [Number(g.dataset.back), g]));
const bundles = [...document.querySelectorAll("[data-edges]")].map((g) => [
  g,
  g.dataset.edges.split(" ").map((n) => edges[n]),
]);

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function preparePicture() {
  svg.setAttribute("role", "group");
  const size = { refX: 8, refY: 5, markerWidth: 3, markerHeight: 3 };
  const arrow = draw("marker", { id: "arrow", viewBox: "0 0 10 10", orient: "auto-start-reverse", ...size });
  arrow.append(draw("path", { d: "M0 0L10 5L0 10Z" }));
  svg.prepend(draw("defs", {}));
  svg.firstChild.append(arrow);
  nodes.find(Boolean)?.parentNode.append(overlay);
  nodes.forEach((g, n) => {
    if (!g) return;
    for (const [key, value] of Object.entries({ tabindex: 0, role: "button" })) g.setAttribute(key, value);
    const rect = g.querySelector("rect");
    const ring = draw("rect", { class: "ring" });
    for (const [key, by] of Object.entries({ x: -5, y: -5, width: 10, height: 10, rx: 4 })) {
      ring.setAttribute(key, Number(rect.getAttribute(key)) + by);
    }
    g.append(ring);
    g.addEventListener("click", () => panned || open(n, g));
    g.addEventListener("keydown", (e) => {
      if (e.key !== "Enter") return;
      e.preventDefault(); // or it would press the button that gets the focus
      open(n, g);
    });
  });
}

function showPicture(state) {
  const event = current();
  const done = event && event.pass === "forward" ? view.position : view.position ? forward.length : 0;
  const { events, uses } = walk(view.k);
  boxes.forEach((box, n) => {
    const g = nodes[n];
    if (!g) return;
    const isHere = event && event.box === n;
    const isTarget = event && event.parent === n && !event.inside;
    g.classList.toggle("later", n >= done);
    g.classList.toggle("here", Boolean(isHere));
    g.classList.toggle("target", Boolean(isTarget));
    const does = box.symbol && box.name ? `, ${box.symbol}` : "";
    g.setAttribute("aria-label", `${title(box)}${does}${n >= done ? ", not computed yet" : ""}`);
    for (const line of g.querySelectorAll('[data-line="value"]')) line.classList.toggle("unseen", n >= done);
    const complete = state[n].terms.length >= Math.max(1, uses[n].length);
    writeGradient(g, box, state[n], complete);
  });
  const isLater = (edge) => edge.source >= done || edge.target >= done;
  for (const [g, carried] of bundles) g.classList.toggle("later", carried.every(isLater));
  const come = new Set(events.slice(forward.length, view.position).map((past) => past.edge));
  for (const [e, g] of comes) g.classList.toggle("came", come.has(e));
  ways.forEach((way, e) => {
    const isBack = event && event.edge === e;
    const isIn = event && event.pass === "forward" && edges[e].target === event.box;
    way.setAttribute("class", `way${isBack ? " back" : isIn ? " in" : ""}`);
    way.setAttribute("marker-start", isBack ? "url(#arrow)" : "");
  });
}

/** The gradient on a box: the sum so far, once something has come; and where it came from, once it is all there. */
function writeGradient(g, box, entry, complete) {
  const found = [...g.querySelectorAll('[data-line="gradient"]')];
  if (!data.walks[0].moves.length) return;
  const sum = whole(entry);
  const told = sum?.values && !box.several ? lines(sum) : null;
  found.forEach((line, i) => {
    const isOwn = told && i < told.length;
    if (isOwn) line.textContent = `${i ? "  " : "∇ "}${told[i]}`;
    line.classList.toggle("unseen", isOwn ? !sum : !complete || (view.k > 0));
  });
}

/** The edges that truncation cuts: dashed, with a stroke across. */
function showCuts() {
  cuts.replaceChildren();
  for (const e of data.cuts[view.k] || []) {
    if (!edges[e].path) continue;
    const length = ways[e].getTotalLength();
    const points = [...Array(60).keys()].map((i) => ways[e].getPointAtLength(length * (0.3 + 0.7 * (i / 59))));
    const d = `M${points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
    const { x, y } = ways[e].getPointAtLength(length / 2);
    cuts.append(draw("path", { d, class: "way cut", "data-cut": e }), draw("path", { d, class: "gap" }));
    const cross = draw("g", { class: "cross", transform: `translate(${x} ${y})` });
    cross.append(draw("circle", { r: 11 }), draw("path", { d: "M-6 -6L6 6M6 -6L-6 6" }), draw("title", {}));
    cross.lastChild.textContent = "cut: no gradient goes back here";
    cuts.append(cross);
  }
}

// Zoom, and following what happens

const pane = byId("picture");
const natural = { width: svg.viewBox.baseVal.width, height: svg.viewBox.baseVal.height };
let panned = false;

function zoom(factor, about = true) {
  const x = (pane.scrollLeft + pane.clientWidth / 2) / view.zoom;
  const y = (pane.scrollTop + pane.clientHeight / 2) / view.zoom;
  view.zoom = Math.max(0.08, Math.min(3, factor));
  svg.style.width = `${natural.width * view.zoom}px`;
  svg.style.height = `${natural.height * view.zoom}px`;
  if (about) pane.scrollTo(x * view.zoom - pane.clientWidth / 2, y * view.zoom - pane.clientHeight / 2);
}

const fitting = () => Math.min((pane.clientWidth - 2) / natural.width, (pane.clientHeight - 2) / natural.height);

/** Bring the box where it happens into view, and with it the other end of the edge, if there is room for both. */
function follow() {
  const event = current();
  if (!event || !nodes[event.box]) return;
  const frame = pane.getBoundingClientRect();
  const ends = [nodes[event.box], nodes[event.parent]].filter(Boolean).map((g) => g.getBoundingClientRect());
  const hull = (rects) => ["left", "right", "top", "bottom"].map((side) =>
    Math[side === "left" || side === "top" ? "min" : "max"](...rects.map((rect) => rect[side])));
  const both = hull(ends);
  const fits = both[1] - both[0] < frame.width - 40 && both[3] - both[2] < frame.height - 40;
  const [left, right, top, bottom] = fits ? both : hull([ends[0]]);
  const away = (low, high, from, to) => (low >= from + 16 && high <= to - 16 ? 0 : (low + high) / 2 - (from + to) / 2);
  const dx = away(left, right, frame.left, frame.right);
  const dy = away(top, bottom, frame.top, frame.bottom);
  const smooth = !still.matches && Number(byId("speed").value) > 300;
  if (dx || dy) pane.scrollBy({ left: dx, top: dy, behavior: smooth ? "smooth" : "auto" });
}

function pan() {
  let from = null;
  pane.addEventListener("pointerdown", (e) => {
    panned = false;
    if (e.pointerType !== "mouse" || e.button !== 0) return;
    from = { x: e.clientX + pane.scrollLeft, y: e.clientY + pane.scrollTop, at: e };
  });
  addEventListener("pointermove", (e) => {
    if (!from) return;
    panned ||= Math.hypot(e.clientX - from.at.clientX, e.clientY - from.at.clientY) > 5;
    if (panned) pane.scrollTo(from.x - e.clientX, from.y - e.clientY);
  });
  addEventListener("pointerup", () => { from = null; });
}

// Details of a box

let opener = null;

function open(n, from) {
  opener = from;
  view.details = n;
  showDetails(known());
  byId("details").show();
  byId("close").focus();
}

function close() {
  byId("details").close();
  view.details = null;
  (opener?.isConnected ? opener : byId("forth")).focus({ preventScroll: true });
}

function showDetails(state) {
  const n = view.details;
  const box = boxes[n];
  const focused = document.activeElement?.id === "close";
  const facts = [box.kind, box.shape, box.several ? "" : box.dtype, box.scope].filter(Boolean).join(" · ");
  const name = make("h2", { id: "details-title" }, named(box.label), box.step !== null && ` · ${stepLabel(box.step)}`);
  const children = [
    make("header", null, name, make("button", { id: "close", onclick: close, title: "Close (Esc)" }, "Close")),
    para("wait", facts),
    box.formula !== null && make("p", null, formula(box.formula)),
    make("h3", null, "Value"),
    array(box.data) ? grid(array(box.data), { most: 16 }) : span("wait", noValue(box)),
    ...(box.needs ? tellGradient(n, state[n]) : [para("wait", "It needs no gradient.")]),
  ];
  byId("details").replaceChildren(...children.filter(Boolean));
  if (focused) byId("close").focus();
}

function tellGradient(n, entry) {
  const heading = (...children) => make("h3", null, ...children);
  const found = [heading("Gradient ", nabla(boxes[n]))];
  const number = (...children) => make("div", { "data-gradient": "" }, ...children);
  if (!data.walks[0].moves.length) {
    const kept = array(boxes[n].grad);
    return [...found, number(kept ? grid(kept, { most: 16 }) : "not computed"), para("note", data.why)];
  }
  found.push(para("wait", howFar(entry.terms.length, walk(view.k).uses[n].length)));
  const inLedger = data.ledger.includes(n);
  const pick = (i) => {
    watched.set(n, i);
    show();
  };
  const options = inLedger ? { most: 16, pick, watch: watch(n) } : { most: 16 };
  for (const [key, sum] of entry.sums) found.push(number(key && `${key}: `, grid(sum, options)));
  const full = whole(final(0)[n]);
  if (view.k && full) found.push(heading("Without truncation"), grid(full, { most: 16 }));
  if (!view.k && keptAnother(n, entry)) {
    found.push(heading("Kept as .grad (by hooks and earlier walks too)"), grid(array(boxes[n].grad), { most: 16 }));
  }
  return [...found, ...tellTerms(n, entry, inLedger && data.steps.length > 0)];
}

function howFar(come, all) {
  if (!come) return all ? "not computed yet" : "nothing comes here";
  if (come < all) return `so far, ${come} of ${all} uses`;
  return all > 1 ? `the sum over its ${all} uses` : "complete";
}

/** Did the engine keep another gradient than the sum of what came? */
function keptAnother(n, entry) {
  const [own, sum] = [array(boxes[n].grad)?.values, whole(entry)?.values];
  const isComplete = entry.terms.length === walk(view.k).uses[n].length;
  return isComplete && own && sum && own.some((x, i) => x !== sum[i]);
}

/** What a gradient is the sum of: by time step, or by use. */
function tellTerms(n, entry, bySteps) {
  const { uses } = walk(view.k);
  const steps = () => terms(view.k, n, entry).map((each, c) => ({ ...each, label: columns[c].label }));
  const come = (event) => (entry.terms.includes(event) ? event.message : null);
  const byUse = (event) => ({ label: whence(event), sum: come(event), count: 1 });
  const rows = (bySteps ? steps() : uses[n].map(byUse)).filter((each) => each.count);
  if (rows.length < 2 && !bySteps) return [];
  const most = Math.max(...rows.map((each) => each.sum?.norm ?? 0)) || 1;
  const line = ({ label, sum }) => make("tr", null, head("row", named(label)),
    cell(sum ? grid(sum, { most: 16 }) : span("wait", "to come")), cell(sum && bar(sum.norm, null, most)));
  const name = bySteps ? `Its ${rows.length} terms` : "From each use";
  return [make("h3", null, name), make("table", null, make("tbody", null, rows.map(line)))];
}

// The table of all events

function toggleTable() {
  const pane = byId("events");
  pane.hidden = !pane.hidden;
  byId("table").setAttribute("aria-pressed", String(!pane.hidden));
  if (!pane.hidden) showTable();
}

function showTable() {
  const brief = (a) => (a ? written(a, 3) : "");
  const what = (event) => {
    const box = boxes[event.box];
    if (event.pass === "forward") return box.label;
    return event.seed ? `start at ${box.title}` : `${box.title} → ${boxes[event.parent].title}`;
  };
  const result = (event) => {
    if (event.pass === "forward") return brief(array(boxes[event.box].data)) || boxes[event.box].shape;
    return isHidden(event) ? "?" : brief(event.message);
  };
  const line = (event, i) => {
    const button = make("button", { onclick: () => go(i + 1) }, String(i + 1));
    const how = event.rule >= 0 ? data.formulas[event.rule][1] : "";
    const upstream = isHidden(event) ? "?" : brief(event.upstream); // it was a message before
    const numbers = [result(event), upstream, how, brief(event.local)];
    const texts = [event.pass, atStep(event), named(what(event)), ...numbers];
    return make("tr", null, cell(button), texts.map((text) => cell(text)));
  };
  const names = ["", "pass", "step", "what", "value or message", "upstream", "rule", "local"];
  const heads = names.map((text) => head("col", text));
  byId("events").replaceChildren(make("table", null, make("caption", null, "All events, in the order of the engine"),
    make("thead", null, make("tr", null, heads)), make("tbody", null, walk(view.k).events.map(line))));
  markRow();
}

function markRow() {
  if (byId("events").hidden) return;
  const rows = byId("events").querySelectorAll("tbody tr");
  for (const row of rows) row.removeAttribute("aria-current");
  rows[view.position - 1]?.setAttribute("aria-current", "step");
  rows[view.position - 1]?.scrollIntoView({ block: "nearest" });
}

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
  zoom(Math.max(Math.min(fitting(), 1.4), 0.9), false);
  if (natural.height * view.zoom > pane.clientHeight) pane.scrollTop = pane.scrollHeight;
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
