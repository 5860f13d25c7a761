// A session: the list (or two, side by side), answers, and the reward so far.

import { ask, Fault, post } from "./api.js";
import { h, say } from "./dom.js";
import * as notice from "./notice.js";
import { rows } from "./rows.js";
import { forget, keep, newId } from "./session.js";
import { summary } from "./summary.js";
import { called, listed } from "./text.js";
import { truth } from "./truth.js";

const K = 10;
const MOST_CONTEXT = 1_000;
const DONE = { like: "Liked", dislike: "Disliked", skip: "Skipped" };
const METHODS = {
  shares: "Below a title: what each item that was liked adds to its score.",
  leave_one_out: "Below a title: by how much its score falls without an item that was liked.",
};

export async function stage(root, signal, state, history, anew) {
  let { models } = await ask("/v1/models", { signal });
  const answers = [...history.events];
  const genres = new Map();
  const about = (item) => genres.get(item) ?? "";
  let own = null; // the model that serves this session
  let now = [[], []]; // items of both lists
  let isBusy = false;
  let isWanted = false;
  let said = "";

  const lists = [0, 1].map(() => {
    const head = h("h2", {});
    const list = rows("Recommendations", answered);
    const empty = h("p", { class: "none", hidden: true }, "Nothing is left to recommend.");
    return { head, list, empty, root: h("section", { class: "list" }, head, list.root, empty) };
  });
  const legend = h("p", { class: "hint" });
  const real = truth();
  const panel = summary(real.root);
  const toggle = h(
    "button",
    { type: "button", class: "plain", "aria-pressed": String(state.beside), onclick: turn },
    "Side by side",
  );
  const fresh = h("button", { type: "button", class: "plain", onclick: end }, "New session");
  const columns = h("div", { class: "lists" }, lists[0].root);
  root.replaceChildren(
    h(
      "div",
      { class: "bar" },
      h(
        "div",
        {},
        h("h1", {}, state.user == null ? "For you" : `For user ${state.user}`),
        h("p", { class: "about" }, state.note),
      ),
      h("div", { class: "tools" }, models.length > 1 ? toggle : null, fresh),
    ),
    h("div", { class: "stage" }, panel.root, h("div", {}, columns, legend)),
  );
  panel.show(state, answers, []);
  await work();

  function answered({ item, title }, kind) {
    const event = newId();
    state.titles[item] = title;
    if (state.beside) state.had[event] = [0, 1].filter((place) => now[place].some((each) => each.item === item));
    state.pending.push({ event, item, feedback: kind });
    keep(state);
    said = `${DONE[kind]} ${called(item, title)}.`;
    work();
  }

  /** Send what waits, then ask for the lists; one at a time, and once for answers that overlap. */
  async function work() {
    isWanted = true;
    if (isBusy) return;
    isBusy = true;
    try {
      while (isWanted || state.pending.length) {
        isWanted = false;
        await send();
        await refresh();
      }
      notice.clear();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Fault)) throw error;
      failed(error);
    } finally {
      isBusy = false;
    }
  }

  async function send() {
    const where = `/v1/sessions/${encodeURIComponent(state.session)}/feedback`;
    while (state.pending.length) {
      const [first] = state.pending;
      try {
        await post(where, first, signal); // sent again it counts once
      } catch (error) {
        if (error.kind === "other" && error.status < 500) dropped(); // it will not be taken
        throw error;
      }
      dropped();
      if (!answers.some(({ event }) => event === first.event)) answers.push(first);
      keep(state);
      panel.show(state, answers, names());
    }
  }

  function dropped() {
    state.pending.shift();
    keep(state);
  }

  async function refresh() {
    const session = encodeURIComponent(state.session);
    const path = `/v1/sessions/${session}/next?k=${K}&keep_unanswered=true&explain=true`;
    const mine = await ask(path, { signal });
    if (state.beside || own?.model !== mine.model) ({ models } = await ask("/v1/models", { signal }));
    own = models.find(({ model }) => model === mine.model) ?? models[0];
    const theirs = state.beside ? await asked(other()) : { items: [] };
    const told = own.has_truth ? await ask(`/v1/sessions/${session}/truth`, { signal }) : null;
    await learn([...mine.items, ...theirs.items]);
    if (signal.aborted || isWanted || state.pending.length) return;
    now = [mine.items, theirs.items];
    draw(mine, theirs);
    real.show(told);
  }

  /** What another model recommends in this session; a model that cannot says why. */
  async function asked(model) {
    const context = answers
      .slice(-MOST_CONTEXT)
      .map(({ item, feedback, rating }) => (feedback ? { item, feedback } : { item, rating }));
    const body = { k: K, explain: true, model: model.model, liked: state.liked, context };
    if (state.isKnown) body.user = state.user;
    try {
      return await post("/v1/recommendations", body, signal);
    } catch (error) {
      if (error instanceof Fault && ["missing", "other"].includes(error.kind)) {
        return { items: [], line: `This model has no answer. ${error.message}` };
      }
      throw error;
    }
  }

  /** Genres of items that are new here; and titles, after a reload. */
  async function learn(items) {
    const named = items.map(({ item }) => item);
    const past = answers.map(({ item }) => item).filter((item) => !(item in state.titles));
    const unknown = [...new Set([...named, ...past])].filter((item) => !genres.has(item));
    if (!unknown.length) return;
    const query = unknown.slice(-200).map((item) => `item=${encodeURIComponent(item)}`);
    const found = await ask(`/v1/items/about?${query.join("&")}`, { signal });
    for (const each of found.items) {
      genres.set(each.item, each.genres);
      state.titles[each.item] = each.title;
    }
  }

  function draw(mine, theirs) {
    const came = lists[0].list.show(mine.items, about);
    title(lists[0], own, mine);
    if (state.beside) {
      lists[1].list.show(theirs.items, about);
      title(lists[1], other(), theirs);
      if (!lists[1].root.isConnected) columns.append(lists[1].root);
    } else lists[1].root.remove();
    columns.classList.toggle("two", state.beside);
    const method = mine.items[0]?.why?.method;
    const shown = mine.items.some(({ why }) => why?.reasons.length);
    legend.textContent = shown ? (METHODS[method] ?? "") : "";
    panel.show(state, answers, names());
    const news = came.map(({ item, title }) => called(item, title));
    if (said) say(news.length ? `${said} New: ${listed(news)}.` : said);
    said = "";
  }

  function title({ head, empty }, model, { items, line }) {
    const algorithm = model.algorithm ? h("span", { class: "note" }, ` ${model.algorithm}`) : null;
    head.replaceChildren(model.name, algorithm ?? "");
    empty.hidden = items.length > 0;
    empty.textContent = line ?? "Nothing is left to recommend.";
  }

  function other() {
    return models.find(({ model }) => model !== own.model) ?? models.at(-1);
  }

  function names() {
    return state.beside && own ? [own.name, other().name] : [];
  }

  function turn() {
    state.beside = !state.beside;
    keep(state);
    toggle.setAttribute("aria-pressed", String(state.beside));
    work();
  }

  function end() {
    forget();
    anew();
  }

  function failed(error) {
    if (error.kind === "missing") {
      const gone = new Fault("missing", "This session is no longer on the server.");
      notice.tell(gone, "Start a new one", end);
      return;
    }
    const waits = state.pending.length ? " Your answer is kept here." : "";
    notice.tell(new Fault(error.kind, error.message + waits), "Try again", work);
  }
}
