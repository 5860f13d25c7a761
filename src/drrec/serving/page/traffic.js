// Traffic: what the server counts, read from /metrics every two seconds.

import { ask, Fault, pause } from "./api.js";
import { lineChart } from "./charts.js";
import { h } from "./dom.js";
import * as notice from "./notice.js";
import { buckets, parsed, quantile, summed } from "./prometheus.js";
import { seconds, whole } from "./text.js";

const EVERY_MS = 2_000;
const POINTS = 60;
const WINDOW = 5; // readings that a rate is over
const SELF = "/metrics"; // what this view asks for itself

const COLUMNS = ["route", "requests", "p50", "p99"];
const LEGEND =
  "Since the server started. Rates and latencies at the top are of the last ten seconds. " +
  "What this view asks is left out.";

const isTheirs = ({ route }) => route !== SELF;

export async function show(root, signal) {
  const [rate, latency, feedback] = [
    card("Requests a second", "rate"),
    card("Latency, p99", "latency"),
    card("Feedback, in all", "feedback"),
  ];
  const routes = h("tbody", {});
  const rest = h("dl", { class: "facts" });
  root.replaceChildren(
    h("h1", {}, "Traffic"),
    h("div", { class: "cards" }, rate.root, latency.root, feedback.root),
    rest,
    h(
      "div",
      { class: "wide", tabindex: "0", role: "region", "aria-label": "Routes" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))),
        routes,
      ),
    ),
    h("p", { class: "hint" }, LEGEND),
  );
  const readings = [];
  const history = [];
  while (!signal.aborted) {
    try {
      const samples = parsed(await ask(SELF, { signal, as: "text" }));
      notice.clear();
      readings.push({ at: performance.now() / 1000, samples });
      readings.splice(0, readings.length - WINDOW - 1);
      draw();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Fault)) throw error;
      readings.length = 0;
      await new Promise((resolve) => notice.tell(error, "Try again", resolve));
      continue;
    }
    await pause(EVERY_MS, signal).catch(() => {});
  }

  function draw() {
    const [first, last] = [readings[0], readings.at(-1)];
    const lately = recent(first, last);
    history.push(lately);
    history.splice(0, history.length - POINTS);
    rate.show(lately.rate == null ? "–" : lately.rate.toFixed(1), history.map((each) => each.rate));
    latency.show(seconds(lately.slow), history.map((each) => each.slow), `p50 ${seconds(lately.middle)}`);
    const told = (kind) => summed(last.samples, "drrec_feedback_total", (labels) => labels.kind === kind);
    const kinds = ["like", "dislike", "skip", "rating"].filter((kind) => told(kind));
    feedback.show(
      whole(summed(last.samples, "drrec_feedback_total")),
      history.map((each) => each.feedback),
      kinds.map((kind) => `${whole(told(kind))} ${kind}`).join(", "),
    );
    rest.replaceChildren(...facts(last.samples));
    routes.replaceChildren(...perRoute(last.samples));
  }
}

/** Of the time between two readings. */
function recent(first, last) {
  const span = last.at - first.at;
  if (!span) return { rate: null, slow: null, middle: null, feedback: null };
  const grown = (name, fits) => summed(last.samples, name, fits) - summed(first.samples, name, fits);
  const [before, after] = [first, last].map(({ samples }) =>
    buckets(samples, "drrec_request_seconds", isTheirs),
  );
  const counts = new Map([...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]));
  return {
    rate: grown("drrec_requests_total", isTheirs) / span,
    slow: quantile(counts, 0.99),
    middle: quantile(counts, 0.5),
    feedback: grown("drrec_feedback_total") / span,
  };
}

function facts(samples) {
  const told = {
    "requests answered": summed(samples, "drrec_requests_total", isTheirs),
    refused: summed(samples, "drrec_refused_total"),
    "lists made": summed(samples, "drrec_lists_total"),
    "in flight": summed(samples, "drrec_requests_in_flight"),
  };
  return Object.entries(told).map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, whole(value))),
  );
}

function perRoute(samples) {
  const counts = new Map();
  for (const { name, labels, value } of samples) {
    if (name !== "drrec_requests_total" || !isTheirs(labels)) continue;
    counts.set(labels.route, (counts.get(labels.route) ?? 0) + value);
  }
  const sorted = [...counts].filter(([, count]) => count).sort((one, other) => other[1] - one[1]);
  return sorted.map(([route, count]) => {
    const times = buckets(samples, "drrec_request_seconds", (labels) => labels.route === route);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, route)),
      h("td", {}, whole(count)),
      h("td", {}, seconds(quantile(times, 0.5))),
      h("td", {}, seconds(quantile(times, 0.99))),
    );
  });
}

function card(label, id) {
  const number = h("p", { class: "number" }, "–");
  const chart = h("div", { class: "curve" });
  const more = h("p", { class: "hint" });
  const root = h("section", { "aria-labelledby": id }, h("h2", { id }, label), number, chart, more);
  return {
    root,
    show(text, values, note = "") {
      number.textContent = text;
      more.textContent = note;
      const since = POINTS - values.length;
      const points = values
        .map((value, place) => [since + place, value])
        .filter(([, value]) => value != null);
      const shape = { height: 72, span: [0, POINTS - 1] };
      chart.replaceChildren(lineChart([{ points }], `${label}, over two minutes`, shape));
    },
  };
}
