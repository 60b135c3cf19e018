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
