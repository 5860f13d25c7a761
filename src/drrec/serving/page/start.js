// Whom a session is for: somebody new, by what they like, or somebody of the log.

import { ask, Fault, post } from "./api.js";
import { h, icon, say } from "./dom.js";
import * as notice from "./notice.js";
import { picker } from "./picker.js";
import { begun } from "./session.js";
import { called, counted, listed, whole } from "./text.js";

const ENOUGH = 3;
const SUGGESTED = 4;
const FOUND = 8;

export async function start(root, signal, done) {
  const [{ models }, { users }] = await Promise.all([
    ask("/v1/models", { signal }),
    ask(`/v1/users?k=${SUGGESTED}`, { signal }),
  ]);
  const failed = (fault, again) => notice.tell(fault, "Try again", again);

  async function open(who, liked, note) {
    notice.clear();
    try {
      await done(begun(await post("/v1/sessions", who, signal), liked, note));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Fault)) throw error;
      failed(error, () => open(who, liked, note));
    }
  }

  root.replaceChildren(
    h("h1", {}, "Who is it for?"),
    h("p", { class: "lede" }, "Answer what you are shown. Each answer changes what comes next."),
    h(
      "div",
      { class: "ways" },
      somebodyNew(models[0], failed, open),
      somebodyKnown(models[0], users, failed, open),
    ),
  );
}

function somebodyNew(model, failed, open) {
  const liked = new Map();
  const chosen = h("ul", { class: "chosen", "aria-label": "What you like" });
  const button = h("button", { type: "button", class: "main", disabled: true }, "Start");
  const left = h("p", { class: "hint", id: "left" });
  button.setAttribute("aria-describedby", "left");
  button.addEventListener("click", () =>
    open(
      { liked: [...liked.keys()] },
      [...liked].map(([item, title]) => ({ item, title })),
      `You like ${listed([...liked].map(([item, title]) => called(item, title)))}.`,
    ),
  );
  const { root, field } = picker({
    id: "title",
    label: "Search by title",
    hint: "Start typing",
    none: "No title has these words.",
    failed,
    async search(text, signal) {
      const path = `/v1/items?k=${FOUND}&query=${encodeURIComponent(text)}`;
      const { items } = await ask(path, { signal });
      return items
        .filter(({ item }) => !liked.has(item))
        .map((found) => ({ ...found, name: called(found.item, found.title) }));
    },
    pick({ item, title, name }) {
      liked.set(item, title);
      draw();
      say(`${name} chosen. ${left.textContent}`);
    },
  });

  function draw() {
    const missing = ENOUGH - liked.size;
    button.disabled = missing > 0;
    left.textContent = ["", "One more to go.", "Two more to go.", "Three to go."][Math.max(0, missing)];
    chosen.replaceChildren(
      ...[...liked].map(([item, title]) => {
        const name = called(item, title);
        const remove = () => {
          liked.delete(item);
          draw();
          field.focus();
        };
        const label = `Remove ${name}`;
        return h(
          "li",
          {},
          h("span", {}, name),
          h("button", { type: "button", "aria-label": label, onclick: remove }, icon("remove")),
        );
      }),
    );
  }

  draw();
  return h(
    "section",
    { "aria-labelledby": "new" },
    h("h2", { id: "new" }, "Somebody new"),
    h("p", { class: "about" }, `Choose three titles you like, of ${whole(model.items)}.`),
    root,
    chosen,
    h("div", { class: "go" }, button, left),
  );
}

function somebodyKnown(model, users, failed, open) {
  const go = (each) => open({ user: each.user }, [], `${past(each)}.`);
  const { root } = picker({
    id: "user",
    label: "Search by user id",
    hint: "Such as " + (users[1] ?? users[0])?.user,
    none: "No user of the log has an id that begins so.",
    failed,
    async search(text, signal) {
      const path = `/v1/users?k=${FOUND}&query=${encodeURIComponent(text)}`;
      const found = await ask(path, { signal });
      return found.users.map((each) => ({ ...each, name: each.user, note: past(each) }));
    },
    pick: go,
  });
  return h(
    "section",
    { "aria-labelledby": "known" },
    h("h2", { id: "known" }, "Somebody of the log"),
    h(
      "p",
      { class: "about" },
      `The model has learned from ${counted(model.users, "user", "users")}.`,
    ),
    root,
    h(
      "ul",
      { class: "people", "aria-label": "Some users of the log" },
      users.map((each) =>
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", onclick: () => go(each) },
            h("span", { class: "name" }, `User ${each.user}`),
            h("span", { class: "note" }, past(each)),
          ),
        ),
      ),
    ),
  );
}

/** "39 titles; lately liked Kolya (1996) and Fargo (1996)". */
function past({ num_items: count, liked }) {
  const names = liked.slice(0, 2).map(({ item, title }) => called(item, title));
  const titles = counted(count, "title", "titles");
  return names.length ? `${titles}; lately liked ${listed(names)}` : titles;
}
