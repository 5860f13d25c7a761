// Words and numbers as people read them.

const YEAR = /^(.*\S)\s+\((\d{4})\)$/;
const ARTICLE = /^(.*), (The|An?|L[ae]s?|L'|El|Il|Das|Die|Der)$/;

/** {name, year} of a title such as "Usual Suspects, The (1995)"; of an item without one its id. */
export function titled(item, title) {
  if (!title) return { name: `Item ${item}`, year: "" };
  const found = YEAR.exec(title);
  const bare = found ? found[1] : title;
  const turned = ARTICLE.exec(bare);
  const name = turned ? `${turned[2]}${turned[2].endsWith("'") ? "" : " "}${turned[1]}` : bare;
  return { name, year: found ? found[2] : "" };
}

/** In one line. */
export function called(item, title) {
  const { name, year } = titled(item, title);
  return year ? `${name} (${year})` : name;
}

/** A share or a metric: .751, −.2; null is a dash. */
export function decimal(value, digits = 3) {
  if (value == null) return "–";
  const text = Math.abs(value).toFixed(digits).replace(/^0\./, ".");
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/** A reward: whole where it is whole. */
export function reward(value) {
  const sign = value > 0 ? "+" : value < 0 ? "−" : "";
  const size = Math.abs(value);
  return sign + (Number.isInteger(size) ? size : size.toFixed(1));
}

export const whole = (value) => Math.round(value).toLocaleString("en");

/** Seconds: 4.2 ms, 1.3 s. */
export function seconds(value) {
  if (value == null || !Number.isFinite(value)) return "–";
  if (value >= 1) return `${value.toFixed(1)} s`;
  const milli = value * 1000;
  return `${milli >= 10 ? milli.toFixed(0) : milli.toFixed(1)} ms`;
}

export const counted = (count, one, many) => `${whole(count)} ${count === 1 ? one : many}`;

/** "a, b and c". */
export function listed(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
