// All units of a layer over the characters; above them the chosen one as a curve.

const CURVE = 46; // pixels
const GAP = 6;
const EDGE = 9; // where the marks of the chosen row are
const pixels = document.createElement("canvas"); // a pixel a unit and character
let drawn = { key: "", count: 0 };

/** Draw `steps` as far as they have come, in the width of `expected` of them. */
export function drawHeat(canvas, { steps, expected, range, units, layer, unit, look, colours }) {
  const ratio = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const column = (width - 2 * EDGE) / Math.max(expected, steps.length);
  const [top, row] = [CURVE + GAP, (height - CURVE - 2 * GAP) / units];
  if (steps.length) {
    fill(steps, Math.max(expected, steps.length), layer, units, range, colours);
    context.imageSmoothingEnabled = column < 1 || row < 1;
    context.drawImage(pixels, 0, 0, steps.length, units, EDGE, top, column * steps.length, row * units);
  }
  curve(context, steps.map((step) => step.values[layer][unit] / range), column, width, colours);
  context.fillStyle = context.strokeStyle = colours.ink;
  context.lineWidth = 1;
  const y = top + row * (unit + 0.5);
  for (const [x, way] of [[EDGE - 1, -1], [width - EDGE + 1, 1]]) {
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + 7 * way, y - 5);
    context.lineTo(x + 7 * way, y + 5);
    context.fill();
  }
  if (steps.length) context.strokeRect(EDGE, top + row * unit - 0.5, column * steps.length, Math.max(row, 1) + 1);
  if (look !== null) context.strokeRect(EDGE + column * look - 0.5, GAP / 2, Math.max(column, 1) + 1, height - GAP);
}

/** Bring `pixels` up to date: the new characters alone, unless what it shows is another layer, theme or text. */
function fill(steps, capacity, layer, units, range, colours) {
  const key = [capacity, layer, units, range, colours.ink].join();
  if (drawn.key !== key || drawn.first !== steps[0]) {
    [pixels.width, pixels.height] = [capacity, units];
    drawn = { key, first: steps[0], count: 0 };
  }
  const fresh = steps.length - drawn.count;
  if (!fresh) return;
  const context = pixels.getContext("2d");
  const image = context.createImageData(fresh, units);
  for (let n = 0; n < fresh; n++) {
    const values = steps[drawn.count + n].values[layer];
    for (let u = 0; u < units; u++) image.data.set([...colours.rgb(values[u] / range), 255], 4 * (u * fresh + n));
  }
  context.putImageData(image, drawn.count, 0);
  drawn.count = steps.length;
}

function curve(context, values, column, width, colours) {
  const zero = GAP + (CURVE - GAP) / 2;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(EDGE, zero);
  context.lineTo(width - EDGE, zero);
  context.stroke();
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.5;
  context.beginPath();
  values.forEach((value, n) => context.lineTo(EDGE + column * (n + 0.5), zero - (value * (CURVE - GAP)) / 2));
  context.stroke();
}

/** The unit whose row is under the pointer. */
export function unitAt(event, units) {
  const height = event.target.clientHeight - CURVE - 2 * GAP;
  return Math.max(0, Math.min(units - 1, Math.floor(((event.offsetY - CURVE - GAP) / height) * units)));
}

/** The character whose column is under the pointer, or null. */
export function columnAt(event, expected, count) {
  const n = Math.floor(((event.offsetX - EDGE) / (event.target.clientWidth - 2 * EDGE)) * Math.max(expected, count));
  return n >= 0 && n < count ? n : null;
}
