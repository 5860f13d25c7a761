// Elements. Text is always set as text: nothing from the server is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (or listeners, as functions under on…) and children. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

const ICONS = {
  like: "M12 19.5s-7.5-4.6-7.5-10A4 4 0 0 1 12 7.4a4 4 0 0 1 7.5 2.1c0 5.4-7.5 10-7.5 10z",
  dislike: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  skip: "M5 12h13M12.5 6.5L18 12l-5.5 5.5",
  remove: "M8 8l8 8M16 8l-8 8",
};

/** A drawing that says nothing to screen readers; its button has a label. */
export function icon(name) {
  const drawing = s("path", { d: ICONS[name] });
  return s("svg", { class: `icon ${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, drawing);
}

/** Have a sentence read out. */
export function say(sentence) {
  document.getElementById("said").textContent = sentence;
}

export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
