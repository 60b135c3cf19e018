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
