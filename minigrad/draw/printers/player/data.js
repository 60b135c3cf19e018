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
