// Prometheus' text form, as /metrics has it.

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** [{name, labels, value}, …] */
export function parsed(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(LABEL)) {
      labels[name] = value.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
    }
    samples.push({ name: found[1], labels, value: Number(found[3].replace("Inf", "Infinity")) });
  }
  return samples;
}

/** The sum of all samples of a name whose labels fit. */
export function summed(samples, name, fits = () => true) {
  return samples
    .filter((each) => each.name === name && fits(each.labels))
    .reduce((sum, { value }) => sum + value, 0);
}

/** {bound: count at most that}, of a histogram, over all samples whose labels fit. */
export function buckets(samples, name, fits = () => true) {
  const found = new Map();
  for (const each of samples) {
    if (each.name !== `${name}_bucket` || !fits(each.labels)) continue;
    const bound = Number(each.labels.le.replace("Inf", "Infinity"));
    found.set(bound, (found.get(bound) ?? 0) + each.value);
  }
  return found;
}

/** The value below which a share of what a histogram counted lies, linear within a bucket. */
export function quantile(counts, share) {
  const bounds = [...counts.keys()].sort((one, other) => one - other);
  const all = counts.get(Infinity) ?? 0;
  if (!all) return null;
  let [below, floor] = [0, 0];
  for (const bound of bounds) {
    const count = counts.get(bound);
    if (count >= share * all) {
      if (bound === Infinity) return floor;
      return floor + ((share * all - below) / (count - below || 1)) * (bound - floor);
    }
    [below, floor] = [count, bound];
  }
  return floor;
}
