// Sorting and copying of tables, as they stand on the page.
const NUMBER = /-?\d[\d,]*(?:\.\d+)?/;

function worth(cell) {
  const text = cell.textContent.trim(), found = text.match(NUMBER);
  if (!found || cell.tagName === "TH" || cell.classList.contains("words")) return text;
  const value = Number(found[0].replace(/,/g, ""));
  return /^<|^≤/.test(text) ? value - 1e-9 : value;
}

// Rows without a figure stay last, whichever way the rest goes.
function compare(one, other, up) {
  const empty = (value) => typeof value === "string" && /^[–✕·]?$/.test(value);
  if (empty(one) || empty(other)) return Number(empty(one)) - Number(empty(other));
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return (up ? 1 : -1) * (typeof one === "number" ? one - other : one.localeCompare(other));
}

function sortTable(table, at, up) {
  const rows = [...table.tBodies[0].rows];
  const keyed = rows.map((row, number) => [worth(row.cells[at]), number, row]);
  keyed.sort((one, other) => compare(one[0], other[0], up) || one[1] - other[1]);
  table.tBodies[0].append(...keyed.map((one) => one[2]));
  for (const head of table.querySelectorAll("[aria-sort]")) {
    const mine = columnOf(head, table.tHead.rows[0], [...table.tHead.rows].at(-1)) === at;
    head.setAttribute("aria-sort", mine ? (up ? "ascending" : "descending") : "none");
  }
}

const shownText = (cell) => {
  const copy = cell.cloneNode(true);
  for (const one of copy.querySelectorAll("span[lang]")) if (one.lang !== root.lang) one.remove();
  for (const one of copy.querySelectorAll("small, br, .flag, .why")) one.before(" ");
  for (const one of copy.querySelectorAll(".ticks, .log, .lin, svg")) one.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
};

// One row of headings, then what is shown now: filtered rows are left out.
function rowsOf(table) {
  const visible = (one) => !one.hidden;
  const bottom = [...table.tHead.rows].at(-1), top = table.tHead.rows[0];
  const count = table.tBodies[0].rows[0] ? table.tBodies[0].rows[0].cells.length : top.cells.length;
  const heads = Array(count).fill("");
  for (const head of table.tHead.querySelectorAll("th")) {
    const from = columnOf(head, top, bottom);
    for (let at = from; at < from + head.colSpan; at++) heads[at] = (heads[at] + " " + shownText(head)).trim();
  }
  const skipped = new Set([...top.cells].filter((one) => one.classList.contains("axis")).map((one) => columnOf(one, top, bottom)));
  const body = [...table.tBodies[0].rows].filter(visible);
  const hidden = new Set(body.length ? [...body[0].cells].map((one, at) => (one.hidden ? at : -1)) : []);
  const keep = (row) => row.filter((_, at) => !skipped.has(at) && !hidden.has(at));
  return [keep(heads), ...body.map((row) => keep([...row.cells].map(shownText)))];
}

function columnOf(head, top, bottom) {
  let at = 0;
  if (top === bottom || head.parentNode === top) {
    for (const one of top.cells) { if (one === head) return at; at += one.colSpan; }
  }
  for (const one of top.cells) {
    if (one.rowSpan === 1 && one.colSpan > 1) break;
    at += one.colSpan;
  }
  return at + [...bottom.cells].indexOf(head);
}

const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
const piped = (text) => text.replace(/\|/g, "\\|");

function written(table, kind) {
  const rows = rowsOf(table);
  if (kind === "csv") return rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  const lines = rows.map((row) => `| ${row.map(piped).join(" | ")} |`);
  lines.splice(1, 0, `|${rows[0].map(() => "---").join("|")}|`);
  return lines.join("\n") + "\n";
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");  // where the page is no secure context
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
