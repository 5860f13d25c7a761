// Model: what is served, and what its run was evaluated to.

import { ask } from "./api.js";
import { intervals, lineChart } from "./charts.js";
import { h } from "./dom.js";
import { decimal, whole } from "./text.js";

const UNKNOWN =
  "There is no evaluation of this model: it is not of a run, or its run was not evaluated.";
const WIDEST = 640;
const MOST_COARSE = 3; // points that are no curve yet
const LESS_IS_BETTER = new Set(["regret"]);

export async function show(root, signal) {
  const { models } = await ask("/v1/models", { signal });
  const reports = await Promise.all(
    models.map(({ model }) => ask(`/v1/models/${encodeURIComponent(model)}/report`, { signal })),
  );
  root.replaceChildren(
    h("h1", {}, models.length > 1 ? "Models" : "Model"),
    ...models.map((model, place) => section(model, reports[place], place, signal)),
  );
}

function section(model, report, place, signal) {
  const facts = {
    algorithm: model.algorithm,
    version: model.version,
    users: whole(model.users),
    items: whole(model.items),
    "share of traffic": `${Math.round(100 * model.share)} %`,
    "served since": new Date(1000 * model.since).toLocaleString(),
  };
  return h(
    "section",
    { class: "served", "aria-labelledby": `model-${place}` },
    h("h2", { id: `model-${place}` }, model.name),
    h(
      "dl",
      { class: "facts" },
      Object.entries(facts).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    report.metrics
      ? evaluated(report, model, place, signal)
      : h("p", { class: "hint" }, UNKNOWN),
  );
}

function evaluated({ metrics, curve }, model, place, signal) {
  const protocols = Object.keys(metrics.protocols);
  const figure = h("div", {});
  const table = h("div", { class: "wide", tabindex: "0", role: "region" });
  table.setAttribute("aria-label", `Results of ${model.name}`);
  const [protocol, metric] = [choice("Protocol", place), choice("Metric", place)];
  let shown = {};

  function choose() {
    shown = metrics.protocols[protocol.field.value] ?? {};
    const all = [...new Set(Object.values(shown).flatMap(Object.keys))];
    const primary = metrics.comparisons?.[protocol.field.value]?.metric;
    metric.fill(all, all.includes(primary) ? primary : all[0]);
    table.replaceChildren(tableOf(shown, all, model.algorithm));
    draw();
  }

  function draw() {
    const name = metric.field.value;
    const rows = Object.entries(shown)
      .filter(([, found]) => found[name]?.mean != null)
      .map(([method, found]) => ({ ...found[name], name: method, isOurs: isOurs(method, model) }));
    const words = rows.map((row) => `${row.name} ${decimal(row.mean)}`).join(", ");
    figure.replaceChildren(rows.length ? intervals(rows, `${name}: ${words}`, decimal, width()) : "");
  }

  /** As wide as there is room, so that its words are of one size. */
  const width = () => Math.min(WIDEST, document.getElementById("main").clientWidth);

  protocol.fill(protocols, protocols[0]);
  protocol.field.addEventListener("change", choose);
  metric.field.addEventListener("change", draw);
  addEventListener("resize", draw, { signal });
  choose();
  const points = curve.map(({ step, reward }) => [step, reward]);
  return [
    h("div", { class: "choices" }, protocols.length > 1 ? protocol.root : null, metric.root),
    h("figure", {}, figure, h("figcaption", { class: "hint" }, origin(metrics))),
    table,
    points.length > MOST_COARSE ? h("h3", {}, "Reward while it trained") : null,
    points.length > MOST_COARSE
      ? lineChart([{ name: "reward", points }], `Mean reward over ${whole(points.at(-1)[0])} steps`, {
          width: WIDEST,
          height: 160,
          zero: false,
        })
      : null,
  ].filter(Boolean);
}

const isOurs = (method, { algorithm }) => method === algorithm;

function origin({ dataset, split, seeds }) {
  const drawn = seeds?.length > 1 ? `${seeds.length} seeds` : `seed ${seeds?.[0] ?? 0}`;
  return `${dataset}, ${split} split, ${drawn}. Means with 95 % intervals over users.`;
}

function choice(label, place) {
  const id = `${label.toLowerCase()}-${place}`;
  const field = h("select", { id });
  const fill = (names, chosen) => {
    field.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    field.value = chosen;
  };
  return { field, fill, root: h("div", {}, h("label", { for: id }, label), field) };
}

function tableOf(methods, names, ours) {
  const best = Object.fromEntries(
    names.map((name) => {
      const means = Object.values(methods).flatMap((found) => found[name]?.mean ?? []);
      return [name, LESS_IS_BETTER.has(name) ? Math.min(...means) : Math.max(...means)];
    }),
  );
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h("tr", {}, h("th", { scope: "col" }, "method"), names.map((name) => h("th", { scope: "col" }, name))),
    ),
    h(
      "tbody",
      {},
      Object.entries(methods).map(([method, found]) =>
        h(
          "tr",
          { class: method === ours ? "ours" : null },
          h("th", { scope: "row" }, method),
          names.map((name) => cell(found[name], best[name])),
        ),
      ),
    ),
  );
}

function cell(found, best) {
  if (found?.mean == null) return h("td", {}, "–");
  const range = found.low == null ? null : `[${decimal(found.low)}, ${decimal(found.high)}]`;
  return h(
    "td",
    { class: found.mean === best ? "best" : null },
    h("span", { class: "mean" }, decimal(found.mean)),
    range ? h("span", { class: "range" }, ` ${range}`) : null,
  );
}
