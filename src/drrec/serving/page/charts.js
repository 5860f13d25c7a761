// Drawings in SVG, by attributes alone.

import { s } from "./dom.js";

/** Points of a line in a box of this size: [[x, y], …] between the given bounds. */
function placed(points, { width, height, pad }, { most, low, high }) {
  const across = (x) => pad + (x / Math.max(1, most)) * (width - 2 * pad);
  const up = (y) => height - pad - ((y - low) / (high - low || 1)) * (height - 2 * pad);
  return points.map(([x, y]) => [across(x).toFixed(1), up(y).toFixed(1)]);
}

const path = (points) => `M${points.map((point) => point.join(" ")).join("L")}`;

/**
 * Lines over the same axes.
 *
 * @param {{name: string, points: number[][]}[]} lines the first one is drawn in the accent colour
 * @param {string} label what screen readers say
 */
export function lineChart(lines, label, { width = 288, height = 120, zero = true } = {}) {
  const box = { width, height, pad: 6 };
  const all = lines.flatMap(({ points }) => points);
  const values = [...all.map(([, y]) => y), ...(zero || !all.length ? [0] : [])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const bounds = {
    most: Math.max(1, ...all.map(([x]) => x)),
    low,
    high: high > low ? high : low + 1,
  };
  const [[left, level], [right]] = placed([[0, 0], [bounds.most, 0]], box, bounds);
  const drawn = lines.map(({ points }, place) => {
    const at = placed(points, box, bounds);
    const [x, y] = at.at(-1) ?? [left, level];
    return [
      at.length > 1 ? s("path", { class: `line line-${place}`, d: path(at) }) : null,
      s("circle", { class: `dot line-${place}`, cx: x, cy: y, r: 3.5 }),
    ];
  });
  return s(
    "svg",
    { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    zero ? s("line", { class: "axis", x1: left, x2: right, y1: level, y2: level }) : null,
    drawn.reverse().flat(),
  );
}

/** Means and intervals, one above the other; `rows` have name, mean, low, high and isOurs. */
export function intervals(rows, label, format) {
  const [width, step, left, right] = [640, 34, 130, 58];
  const height = rows.length * step + 8;
  const bounds = rows.flatMap(({ mean, low, high }) => [mean, low ?? mean, high ?? mean]);
  const [least, most] = [Math.min(...bounds), Math.max(...bounds)];
  const span = most - least || 1;
  const at = (value) => left + 8 + ((value - least) / span) * (width - left - right - 16);
  return s(
    "svg",
    { class: "intervals", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
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
