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
