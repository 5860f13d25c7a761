// The reward of a session so far: a number, its curve, and the answers behind it.

import { lineChart } from "./charts.js";
import { h, icon } from "./dom.js";
import { rewardOf } from "./session.js";
import { called, counted, reward } from "./text.js";

const BOTH = "Since both answer, each gets the reward of what was in its list.";
const WORDS = { like: "liked", dislike: "disliked", skip: "skipped" };

/** @param {Element} more what stands between the reward and the answers */
export function summary(more) {
  const total = h("p", { class: "total" });
  const chart = h("div", { class: "curve" });
  const counts = h("p", { class: "hint" });
  const keys = h("ul", { class: "keys", hidden: true });
  const past = h("ol", {
    class: "past",
    reversed: true,
    tabindex: "0",
    "aria-label": "Answers, the last one first",
  });
  const opened = h("details", { hidden: true }, h("summary", {}, "Answers"), past);
  opened.open = matchMedia("(min-width: 56rem)").matches;
  const root = h(
    "aside",
    { "aria-labelledby": "reward" },
    h("h2", { id: "reward" }, "Reward"),
    h("div", { class: "gained" }, total, chart),
    keys,
    counts,
    more,
    opened,
  );

  /** `names` are those of two models side by side, or none. */
  function show(state, answers, names) {
    const isTwo = names.length === 2;
    const all = summed(answers);
    const lines = isTwo
      ? names.map((name, place) => ({ name, points: gained(state, answers, place) }))
      : [{ name: "Reward", points: all }];
    const last = all.at(-1)[1];
    total.textContent = reward(last);
    const told = lines.map(({ name, points }) => `${name} ${reward(points.at(-1)[1])}`).join(", ");
    const number = counted(answers.length, "answer", "answers");
    chart.replaceChildren(lineChart(lines, `Reward after each answer, ${number}: ${told}`));
    keys.hidden = !isTwo;
    keys.replaceChildren(
      ...(isTwo ? lines : []).map(({ name, points }, place) =>
        h("li", { class: `key-${place}` }, name, " ", h("b", {}, reward(points.at(-1)[1]))),
      ),
    );
    counts.textContent = isTwo ? BOTH : tally(answers);
    opened.hidden = !answers.length;
    past.replaceChildren(
      ...answers.toReversed().map(({ item, feedback, rating }) => {
        const kind = feedback ?? (rating > 3 ? "like" : "dislike");
        const name = called(item, state.titles[item]);
        return h(
          "li",
          { class: kind },
          icon(kind),
          h("span", {}, name, h("span", { class: "unseen" }, `, ${WORDS[kind]}`)),
        );
      }),
    );
  }

  return { root, show };
}

/** [[0, 0], [1, reward after one answer], …] */
function summed(answers) {
  let sum = 0;
  return [[0, 0], ...answers.map((answer, place) => [place + 1, (sum += rewardOf(answer))])];
}

/** The same of one of two models: answers count for it whose items were in its list. */
function gained({ had }, answers, place) {
  const both = answers.filter(({ event }) => event in had);
  const counted = both.map((each) => (had[each.event].includes(place) ? each : { feedback: "skip" }));
  return summed(counted);
}

function tally(answers) {
  if (!answers.length) return "A like adds 1, a dislike takes 1 away, a skip does neither.";
  const count = (kind) => answers.filter(({ feedback }) => feedback === kind).length;
  const parts = Object.keys(WORDS)
    .filter(count)
    .map((kind) => `${count(kind)} ${WORDS[kind]}`);
  return `${counted(answers.length, "answer", "answers")}: ${parts.join(", ")}`;
}
