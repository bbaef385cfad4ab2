// Squares against the reader's baseline: looked up among the pairs that analysis.stats compared, never computed anew.
const ANSWERS = ["", "different", "equivalent", "unresolved"];
const BOUNDING = ["generator-bound", "database-bound"];
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer;

for (const metric of Object.values(data.metrics)) {
  for (const column of metric.columns) {
    column.ratios = new Int16Array(bytes(column.ratios));
    column.halves = new Uint16Array(bytes(column.halves));
    column.answers = new Uint8Array(bytes(column.answers));
  }
}

function pair(column, stack, other) {
  if (stack === other) return null;
  const first = Math.min(stack, other), second = Math.max(stack, other), n = column.squares.length;
  const at = first * n - (first * (first + 1)) / 2 + second - first - 1;
  const answer = ANSWERS[column.answers[at]];
  if (!answer) return null;
  const log = (stack < other ? 1 : -1) * column.ratios[at] * data.step, half = column.halves[at] * data.step;
  return { ratio: Math.exp(log), low: Math.exp(log - half), high: Math.exp(log + half), answer };
}

// The same as analysis.page.heat.cell: [state, words].
function square(metric, column, stack, base) {
  const [status, why, value] = column.squares[stack], [limited, limit, against] = column.squares[base];
  if (value === undefined) return [status, { failed: "✕" }[status] || "–"];
  if (stack === base) return ["base", status === "bound" ? "≥ 1" : "1"];
  if (against === undefined) return ["nobase", "·"];
  const found = pair(column, stack, base);
  if (!found) {
    const ratio = parts(value / against)[0];
    const limits = [[status, why], [limited, limit]].filter((one) => one[0] === "bound").map((one) => one[1]);
    if (!limits.length) return ["alone", ratio];
    if (limits.length > 1 || !BOUNDING.includes(limits[0])) return ["bound", "! " + ratio];
    return ["bound", ((status === "bound") === metric.higher ? "≥ " : "≤ ") + ratio];
  }
  const words = parts(found.ratio, found.low, found.high)[0];
  if (found.answer !== "different") return [found.answer, (found.answer === "equivalent" ? "≈ " : "? ") + words];
  const factor = Math.max(found.ratio, 1 / found.ratio), level = 1 + data.edges.filter((edge) => factor >= edge).length;
  return [((found.ratio > 1) === metric.higher ? "better-" : "worse-") + level, words];
}

// What the box beside a square says: the figure with interval and n, what it lacks, then how it stands to the baseline.
function told(key, column, stack, base) {
  const metric = data.metrics[key], [status, why, value, low, high, n, failed, tried, reason] = column.squares[stack];
  const lines = [data.stacks[stack].id, column.scenario];
  if (value === undefined) return [...lines, say("tip." + status, { why })].join("\n");
  const [words, from, to] = parts(value / metric.unit, low === null ? NaN : low / metric.unit, high === null ? NaN : high / metric.unit);
  const interval = from ? say("tip.interval", { low: from, high: to }) : "";
  lines.push(say("tip.measured", { value: words, unit: say("unit." + key), interval, n }));
  if (status === "bound") lines.push(say("tip.bound", { why }));
  if (failed) lines.push(say("tip.partly_failed", { failed, tried, why: reason }));
  const found = pair(column, stack, base);
  if (found) {
    const [ratio, least, most] = parts(found.ratio, found.low, found.high);
    lines.push(say("tip." + found.answer, { ratio, low: least, high: most }));
  } else if (stack === base) lines.push(say("tip.base"));
  else if (column.squares[base][2] === undefined) lines.push(say("tip.nobase"));
  else lines.push(say("tip.alone", { ratio: parts(value / column.squares[base][2])[0] }));
  return lines.join("\n");
}

// The change to the baseline for the capacity tables: "-7.1% [-9.0, -5.2]", or a factor beyond half and double.
function change(found) {
  if (!(found.ratio >= 0.5 && found.ratio <= 2)) {
    const [ratio, low, high] = parts(found.ratio, found.low, found.high);
    return `${ratio}x [${low}, ${high}]`;
  }
  const values = [found.ratio, found.low, found.high].map((one) => 100 * (one - 1)), half = (values[2] - values[1]) / 2;
  if (!(found.high - found.low > 1e-9)) return (values[0] < 0 ? "" : "+") + values[0].toFixed(0) + "%";
  const at = justified(half, -1);
  const [value, low, high] = values.map((one) => {
    const text = toPlace(one, at);
    if (!Number(text.replace(/,/g, ""))) return text.replace("-", "");
    return text.startsWith("-") ? text : "+" + text;
  });
  return `${value}% [${low}, ${high}]`;
}

function column(key, scenario) {
  const metric = data.metrics[key];
  return metric && metric.columns.find((one) => one.scenario === scenario);
}

function paint(cell, state, words) {
  const style = "heat " + (cell.classList.contains("against") ? "against " : "") + state;
  if (cell.className !== style) cell.className = style;
  if (cell.textContent !== words) cell.textContent = words;
}

const heatCells = [...document.querySelectorAll("#heat tbody td")].map((cell) => [
  cell, Number(cell.parentNode.dataset.stack), cell.dataset.scenario,
]);
const againstCells = [...document.querySelectorAll("td.against")].map((cell) => [
  cell, Number(cell.parentNode.dataset.stack), cell.dataset.scenario,
]);

function paintMatrix(key, base) {
  const metric = data.metrics[key];
  if (!metric) return;
  for (const [cell, stack, scenario] of heatCells) {
    const found = column(key, scenario);
    if (found) paint(cell, ...square(metric, found, stack, base));
    else paint(cell, "missing", "–");
  }
}

function paintAgainst(base) {
  for (const [cell, stack, scenario] of againstCells) {
    const found = column("capacity", scenario);
    if (!found) continue;
    const [state, words] = square(data.metrics.capacity, found, stack, base), one = pair(found, stack, base);
    const mark = { equivalent: "≈ ", unresolved: "? " }[state] || "";
    paint(cell, state, one ? mark + change(one) : words);
  }
}
