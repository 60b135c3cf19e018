// Blue below zero, red above, as the style sheet says for the theme.

/** The colours of values from −1 to 1. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim().match(/\w\w/g).map((part) => parseInt(part, 16));
  const [below, zero, above] = ["--below", "--zero", "--above"].map(read);
  const entry = (level) => {
    const end = level < 0 ? below : above;
    return zero.map((from, n) => Math.round(from + ((end[n] - from) * Math.abs(level)) / 127));
  };
  const rgb = Array.from({ length: 255 }, (_, n) => entry(n - 127));
  const names = rgb.map((parts) => `rgb(${parts.join(" ")})`);
  const level = (value) => Math.round(Math.max(-1, Math.min(1, value)) * 127) + 127;
  return {
    rgb: (value) => rgb[level(value)],
    css: (value) => names[level(value)],
    ink: style.getPropertyValue("--ink"),
    line: style.getPropertyValue("--line"),
    legend(canvas) {
      const context = canvas.getContext("2d");
      names.forEach((name, n) => {
        context.fillStyle = name;
        context.fillRect(n, 0, 1, 1);
      });
    },
  };
}
