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
