// A list that moves: what came in glides to its place, what left fades.

import { h, icon, isCalm } from "./dom.js";
import { called, decimal, titled } from "./text.js";

const GLIDE = { duration: 420, easing: "cubic-bezier(.2, .7, .2, 1)" };
const FADE = { duration: 260, easing: "ease-out" };
const LEAST = 0.0005; // an amount that is not shown as .000
const KINDS = [
  ["like", "Like", "l"],
  ["skip", "Skip", "s"],
  ["dislike", "Dislike", "d"],
];
const KEYS = Object.fromEntries(KINDS.map(([kind, , key]) => [key, kind]));

/**
 * @param {string} label of the list
 * @param {(item: object, kind: string) => void} answered
 */
export function rows(label, answered) {
  const list = h("ol", { class: "rows", "aria-label": label });

  function row(found) {
    const { name, year } = titled(found.item, found.title);
    const whole = called(found.item, found.title);
    const buttons = KINDS.map(([kind, word]) =>
      h(
        "button",
        {
          type: "button",
          class: kind,
          "aria-label": `${word} ${whole}`,
          title: word,
          onclick: () => give(element, found, kind),
        },
        icon(kind),
      ),
    );
    const element = h(
      "li",
      { "data-item": found.item, onkeydown: (event) => pressed(event, element, found) },
      h("span", { class: "rank", "aria-hidden": "true" }),
      h(
        "div",
        { class: "what" },
        h("h3", {}, name, year ? h("span", { class: "year" }, ` ${year}`) : null),
        h("p", { class: "genres" }),
        h("p", { class: "why" }),
      ),
      h("div", { class: "answers", role: "group", "aria-label": `Answer ${whole}` }, buttons),
    );
    return element;
  }

  function pressed(event, element, found) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const kind = KEYS[event.key.toLowerCase()];
    if (kind) give(element, found, kind);
    else if (event.key === "ArrowDown") step(element, event.target, 1);
    else if (event.key === "ArrowUp") step(element, event.target, -1);
    else return;
    event.preventDefault();
  }

  function give(element, found, kind) {
    if (element.classList.contains("answered")) return;
    const held = element.contains(document.activeElement) ? document.activeElement : null;
    element.classList.add("answered", `was-${kind}`);
    if (held) step(element, held, 1) || step(element, held, -1);
    answered(found, kind);
  }

  /** Move the focus to the same button of another row; whether there is one. */
  function step(element, button, by) {
    let next = element;
    do next = by > 0 ? next.nextElementSibling : next.previousElementSibling;
    while (next && (next.classList.contains("answered") || next.inert));
    if (!next) return false;
    next.querySelector(`.${button.className}`)?.focus();
    return true;
  }

  /** Show these items; those that are new to the list are returned. */
  function show(items, about) {
    const held = document.activeElement;
    const before = new Map();
    for (const element of list.querySelectorAll(":scope > li:not([inert])")) {
      before.set(element.dataset.item, { element, box: element.getBoundingClientRect() });
    }
    const isFirst = before.size === 0;
    const stay = new Set(items.map(({ item }) => item));
    for (const [item, { element, box }] of before) if (!stay.has(item)) leave(element, box);
    const fresh = [];
    items.forEach((found, place) => {
      const known = before.get(found.item)?.element;
      const element = known ?? row(found);
      if (!known) fresh.push({ element, found });
      // An item that an answer failed to reach may be answered again.
      element.classList.remove("answered", "was-like", "was-dislike", "was-skip");
      element.querySelector(".rank").textContent = place + 1;
      element.querySelector(".genres").textContent = about(found.item);
      why(element.querySelector(".why"), found.why);
      if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
    });
    if (held && list.contains(held)) held.focus({ preventScroll: true });
    if (!isCalm()) glide(before, isFirst ? [] : fresh);
    return fresh.map(({ found }) => found);
  }

  function leave(element, box) {
    const outer = list.getBoundingClientRect();
    element.inert = true;
    if (isCalm()) {
      element.remove();
      return;
    }
    Object.assign(element.style, {
      position: "absolute",
      top: `${box.top - outer.top}px`,
      width: `${box.width}px`,
    });
    list.append(element); // behind those that stay, so that places are those of the list
    const fading = element.animate({ opacity: [getComputedStyle(element).opacity, 0] }, FADE);
    fading.onfinish = () => element.remove();
  }

  function glide(before, fresh) {
    for (const { element, box } of before.values()) {
      if (element.inert) continue;
      const by = box.top - element.getBoundingClientRect().top;
      if (by) element.animate({ transform: [`translateY(${by}px)`, "none"] }, GLIDE);
    }
    for (const { element } of fresh) {
      element.animate({ opacity: [0, 1], transform: ["translateX(28px)", "none"] }, GLIDE);
    }
  }

  return { root: list, show };
}

function why(place, told) {
  const reasons = (told?.reasons ?? []).filter(({ amount }) => amount >= LEAST);
  place.replaceChildren(
    reasons.length ? "Liked " : "",
    ...reasons.map(({ item, title, amount }) =>
      h("span", {}, called(item, title), " ", h("b", {}, `+${decimal(amount)}`)),
    ),
  );
}
