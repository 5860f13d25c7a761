// The truth of a session on made-up data: what it earned, what boredom took, and the best there is.

import { lineChart } from "./charts.js";
import { h } from "./dom.js";
import { counted, decimal } from "./text.js";

const SOMEBODY_NEW = "What somebody new truly likes nobody knows; how soon they are bored is the same for all.";

export function truth() {
  const root = h("section", { class: "truth", hidden: true });

  /** `told` is the server's answer, or null where nobody knows the truth. */
  function show(told) {
    root.hidden = !told?.turns.length;
    if (root.hidden) return;
    const { turns, most_turns: most } = told;
    const taken = turns.reduce((sum, { boredom }) => sum + boredom, 0);
    const titles = counted(turns.length, "title", "titles");
    const end = turns.length === most ? ` The first ${most} count.` : "";
    const isKnown = turns[0].reward != null;
    root.replaceChildren(
      h("h3", {}, "The truth"),
      ...(isKnown ? earned(turns, titles) : []),
      h("p", { class: "bored" }, "Boredom took ", h("b", {}, decimal(taken, 2)), ` in ${titles}.${end}`),
      ...(isKnown ? [] : [h("p", { class: "hint" }, SOMEBODY_NEW)]),
    );
  }

  return { root, show };
}

function earned(turns, titles) {
  let sum = 0;
  const lines = [
    ["This session", [[0, 0], ...turns.map(({ reward }, place) => [place + 1, (sum += reward)])]],
    ["Best possible", [[0, 0], ...turns.map(({ best }, place) => [place + 1, best])]],
  ].map(([name, points]) => ({ name, points, last: decimal(points.at(-1)[1], 2) }));
  const told = lines.map(({ name, last }) => `${name} ${last}`).join(", ");
  return [
    lineChart(lines, `True reward after each of ${titles}: ${told}`),
    h(
      "ul",
      { class: "keys" },
      lines.map(({ name, last }, place) => h("li", { class: `key-${place}` }, name, " ", h("b", {}, last))),
    ),
  ];
}
