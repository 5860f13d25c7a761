// Drawings in SVG, by attributes alone.

import { s } from "./dom.js";

const PAD = 6;

const path = (points) => `M${points.map((point) => point.join(" ")).join("L")}`;

/**
 * Lines over the same axes.
 *
 * @param {{points: number[][]}[]} lines of [x, y]; the first one is drawn in the accent colour
 * @param {string} label what screen readers say
 * @param {number[]} [shape.span] of the horizontal axis; by default that of the points
 * @param {boolean} [shape.zero] whether 0 is on the vertical axis
 */
export function lineChart(lines, label, { width = 288, height = 120, zero = true, span } = {}) {
  const all = lines.flatMap(({ points }) => points);
  const values = [...all.map(([, y]) => y), ...(zero || !all.length ? [0] : [])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [least, most] = span ?? [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x))];
  const across = (x) => PAD + ((x - least) / (most - least || 1)) * (width - 2 * PAD);
  const up = (y) => height - PAD - ((y - low) / (high - low || 1)) * (height - 2 * PAD);
  const placed = ([x, y]) => [across(x).toFixed(1), up(y).toFixed(1)];
  const drawn = lines.map(({ points }, place) => {
    const at = points.map(placed);
    const [cx, cy] = at.at(-1) ?? [];
    return [
      at.length > 1 ? s("path", { class: `line line-${place}`, d: path(at) }) : null,
      at.length ? s("circle", { class: `dot line-${place}`, cx, cy, r: 3.5 }) : null,
    ];
  });
  const level = up(0).toFixed(1);
  return s(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    zero ? s("line", { class: "axis", x1: PAD, x2: width - PAD, y1: level, y2: level }) : null,
    drawn.reverse().flat(),
  );
}

/** Means and intervals, one above the other; `rows` have name, mean, low, high and isOurs. */
export function intervals(rows, label, format, width) {
  const [step, left, right] = [34, 130, 58];
  const height = rows.length * step + 8;
  const bounds = rows.flatMap(({ mean, low, high }) => [mean, low ?? mean, high ?? mean]);
  const [least, most] = [Math.min(...bounds), Math.max(...bounds)];
  const span = most - least || 1;
  const at = (value) => left + 8 + ((value - least) / span) * (width - left - right - 16);
  return s(
    "svg",
    { class: "intervals", width, height, role: "img", "aria-label": label },
    rows.flatMap(({ name, mean, low, high, isOurs }, place) => {
      const y = 4 + step * (place + 0.5);
      const kind = isOurs ? "ours" : "theirs";
      return [
        s("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }),
        s("text", { class: `${kind} name`, x: 0, y: y + 5 }, name),
        low == null ? null : s("line", { class: kind, x1: at(low), x2: at(high), y1: y, y2: y }),
        s("circle", { class: kind, cx: at(mean), cy: y, r: 5 }),
        s("text", { class: `${kind} value`, x: width, y: y + 5 }, format(mean)),
      ];
    }),
  );
}
