// Which view is shown; each cleans up by the signal that it is given.

import { Fault } from "./api.js";
import { h } from "./dom.js";
import * as model from "./model.js";
import * as notice from "./notice.js";
import * as play from "./play.js";
import * as traffic from "./traffic.js";

const VIEWS = { play, model, traffic };
const TITLES = { play: "Play", model: "Model", traffic: "Traffic" };
const main = document.getElementById("main");
let shown = new AbortController();

async function show({ moved = false } = {}) {
  const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "play";
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  notice.clear();
  document.title = `${TITLES[name]} · drrec`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const root = h("div", { class: `view ${name}` });
  main.replaceChildren(root);
  if (moved) main.focus({ preventScroll: true });
  try {
    await VIEWS[name].show(root, signal, show);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Fault)) throw error;
    notice.tell(error, "Try again", show);
  }
}

document.querySelector(".jump").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => show({ moved: true }));
show();
