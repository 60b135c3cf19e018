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
  const started = view.position > 0; // before that all of it is looked at
  boxes.forEach((box, n) => {
    const g = nodes[n];
    if (!g) return;
    const isHere = event && event.box === n;
    const isTarget = event && event.parent === n && !event.inside;
    g.classList.toggle("later", started && n >= done);
    g.classList.toggle("here", Boolean(isHere));
    g.classList.toggle("target", Boolean(isTarget));
    const does = box.symbol && box.name ? `, ${box.symbol}` : "";
    g.setAttribute("aria-label", `${title(box)}${does}${n >= done ? ", not computed yet" : ""}`);
    for (const line of g.querySelectorAll('[data-line="value"]')) line.classList.toggle("unseen", n >= done);
    const complete = state[n].terms.length >= Math.max(1, uses[n].length);
    writeGradient(g, box, state[n], complete);
  });
  const isLater = (edge) => started && (edge.source >= done || edge.target >= done);
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
