// Which units follow a property of the text: their correlation with it, over the characters.

/** Each gives, from the text's characters, a number at each; or null for the variance alone. */
export const PROPERTIES = {
  "anything (they vary most)": null,
  "inside quotes": quoted,
  "inside brackets": bracketed,
  "inside a # comment": commented,
  "how far into the line": (texts) => since(texts, (text) => text === "\n"),
  indentation: indented,
  "how far into the word": (texts) => since(texts, (text) => /[^\p{L}\p{N}_]/u.test(text)),
  "capital letters": (texts) => texts.map((text) => Number(/\p{Lu}/u.test(text))),
  digits: (texts) => texts.map((text) => Number(/\p{Nd}/u.test(text))),
  vowels: (texts) => texts.map((text) => Number(/[aeiou]/i.test(text))),
};

/** Units by how well they follow `property`, the best first: {layer, unit, score}; empty if the text has none of it. */
export function find(steps, property) {
  const target = PROPERTIES[property]?.(steps.map((step) => step.text));
  const wanted = target && centred(target);
  if (wanted && !wanted.size) return [];
  const found = [];
  steps[0].values.forEach((first, layer) => {
    for (let unit = 0; unit < first.length; unit++) {
      const own = centred(steps.map((step) => step.values[layer][unit]));
      if (!wanted) found.push({ layer, unit, score: own.size / Math.sqrt(steps.length) });
      else if (own.size) found.push({ layer, unit, score: product(own.parts, wanted.parts) / own.size / wanted.size });
    }
  });
  return found.sort((a, b) => Math.abs(b.score) - Math.abs(a.score));
}

function centred(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const parts = values.map((value) => value - mean);
  return { parts, size: Math.sqrt(product(parts, parts)) };
}

const product = (a, b) => a.reduce((sum, value, n) => sum + value * b[n], 0);

/** Inside '…' or "…", which end at the line's end at the latest. */
function quoted(texts) {
  let open = null;
  return texts.map((text) => {
    if (text === "\n") open = null;
    else if (open) open = text === open ? null : open;
    else if (text === '"' || text === "'") open = text;
    return Number(open !== null);
  });
}

function bracketed(texts) {
  let depth = 0;
  return texts.map((text) => {
    if ("([{".includes(text)) depth += 1;
    if (")]}".includes(text)) depth = Math.max(0, depth - 1);
    return Number(depth > 0);
  });
}

function commented(texts) {
  let inside = false;
  return texts.map((text) => Number((inside = text !== "\n" && (inside || text === "#"))));
}

function indented(texts) {
  let blank = true;
  return texts.map((text) => Number((blank = text === "\n" || (blank && text === " "))));
}

/** How many characters ago `starts` was last true, at most 40. */
function since(texts, starts) {
  let count = 0;
  return texts.map((text) => (count = starts(text) ? 0 : Math.min(40, count + 1)));
}
