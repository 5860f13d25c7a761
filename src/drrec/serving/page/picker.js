// A field that finds things while somebody types: a combobox with a list of options (ARIA 1.2).

import { Fault } from "./api.js";
import { h, say } from "./dom.js";
import { counted } from "./text.js";

const QUIET_MS = 120;

/**
 * @param {object} given
 * @param {string} given.id of the field
 * @param {string} given.label
 * @param {string} given.none what is said where nothing is found
 * @param {(text: string, signal: AbortSignal) => Promise<object[]>} given.search with {name, note}
 * @param {(found: object) => void} given.pick
 * @param {(fault: Fault, again: () => void) => void} given.failed
 */
export function picker({ id, label, hint, none, search, pick, failed }) {
  const list = h("ul", { id: `${id}-list`, role: "listbox", "aria-label": "Suggestions", hidden: true });
  const field = h("input", {
    id,
    type: "search",
    role: "combobox",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    placeholder: hint,
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": `${id}-list`,
  });
  const root = h("div", { class: "picker" }, h("label", { for: id }, label), field, list);
  let found = [];
  let active = -1;
  let asking = new AbortController();
  let timer;

  function close() {
    asking.abort();
    clearTimeout(timer);
    list.hidden = true;
    list.replaceChildren();
    found = [];
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function choose(place) {
    const chosen = found[place];
    field.value = "";
    close();
    pick(chosen);
  }

  function go(place) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = (place + found.length) % found.length;
    const option = list.children[active];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", option.id);
  }

  function shown(options) {
    found = options;
    active = -1;
    field.removeAttribute("aria-activedescendant");
    list.replaceChildren(
      ...options.map(({ name, note }, place) =>
        h(
          "li",
          {
            id: `${id}-${place}`,
            role: "option",
            "aria-selected": "false",
            onmousedown: (event) => event.preventDefault(), // the field keeps the focus
            onclick: () => choose(place),
          },
          h("span", { class: "name" }, name),
          note ? h("span", { class: "note" }, note) : null,
        ),
      ),
    );
    if (!options.length) list.append(h("li", { class: "none" }, none));
    list.hidden = false;
    field.setAttribute("aria-expanded", String(options.length > 0));
    say(options.length ? counted(options.length, "suggestion", "suggestions") : none);
  }

  async function look() {
    const text = field.value.trim();
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    if (!text) {
      close();
      return;
    }
    try {
      const options = await search(text, signal);
      if (!signal.aborted) shown(options);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Fault)) throw error;
      failed(error, look);
    }
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, QUIET_MS);
  });
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) close();
    else if (event.key === "ArrowDown" && found.length) go(active + 1);
    else if (event.key === "ArrowUp" && found.length) go(active < 0 ? -1 : active - 1);
    else if (event.key === "Enter" && active >= 0) choose(active);
    else if (event.key === "Enter" && found.length) choose(0);
    else return;
    event.preventDefault();
  });
  return { root, field };
}
