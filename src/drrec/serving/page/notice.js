// One sentence about what went wrong, and a way on.

import { keepToken } from "./api.js";
import { h } from "./dom.js";

const place = () => document.getElementById("notice");

export function clear() {
  place().replaceChildren();
}

/** Show a fault with a button; `on` is called once, when it is pressed. */
export function tell(fault, label, on) {
  if (fault.kind === "token") {
    askForToken(fault, on);
    return;
  }
  const button = h("button", { type: "button", class: "plain", onclick: () => gone(on) }, label);
  place().replaceChildren(h("p", {}, fault.message, " ", button));
}

function askForToken(fault, on) {
  const field = h("input", { id: "token", type: "password", autocomplete: "off", required: true });
  const given = (event) => {
    event.preventDefault();
    keepToken(field.value.trim());
    gone(on);
  };
  place().replaceChildren(
    h(
      "form",
      { onsubmit: given },
      h("label", { for: "token" }, fault.message),
      field,
      h("button", { class: "plain" }, "Go on"),
    ),
  );
  field.focus();
}

function gone(on) {
  clear();
  on();
}
