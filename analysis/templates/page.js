// What the reader chose lives in the address: parse(hash) -> state -> show(state). Controls change the address, then show.
const FACETS = ["framework", "server", "model", "front", "tags", "scenario"];
const byId = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const nothing = () => ({ base: null, metric: null, scale: "log", sort: null, theme: "system", lang: null, facets: {} });

const offered = (key, value) => all(`[data-facet="${key}"] option`).some((one) => one.value === value);

function parse(hash) {
  const state = nothing(), unknown = [];
  if (!hash.includes("=")) return { state, unknown, anchor: hash };
  let anchor = "";
  for (const [key, value] of new URLSearchParams(hash)) {
    if (key === "v") { if (value !== "1") unknown.push(`v=${value}`); }
    else if (key === "at") anchor = value;
    else if (FACETS.includes(key) && offered(key, value)) state.facets[key] = value;
    else if (key === "base" && data.stacks.some((one) => one.id === value)) state.base = value;
    else if (key === "metric" && Object.hasOwn(data.metrics, value)) state.metric = value;
    else if (key === "scale" && ["log", "linear"].includes(value)) state.scale = value;
    else if (key === "theme" && ["system", "light", "dark"].includes(value)) state.theme = value;
    else if (key === "lang" && Object.hasOwn(data.words, value)) state.lang = value;
    else if (key === "sort" && /^(name|\d+)(-up)?$/.test(value)) state.sort = value;
    else unknown.push(`${key}=${value}`);
  }
  return { state, unknown, anchor };
}

function written_hash(state) {
  const found = new URLSearchParams({ v: "1" });
  for (const key of ["base", "metric", "sort", "lang"]) if (state[key] !== null) found.set(key, state[key]);
  if (state.scale !== "log") found.set("scale", state.scale);
  if (state.theme !== "system") found.set("theme", state.theme);
  for (const key of FACETS) if (state.facets[key]) found.set(key, state.facets[key]);
  const text = found.toString();
  return text === "v=1" ? "" : text;
}

const rowsByStack = data.stacks.map((_, number) => all(`[data-stack="${number}"]`).filter((one) => !one.closest("svg")));
const drawnByStack = data.stacks.map((one) => all("svg [data-stack]").filter((mark) => mark.dataset.stack === one.id));
const byScenario = new Map(data.scenarios.map((name) => [name, all("[data-scenario]").filter((one) => one.dataset.scenario === name)]));
const firstLanguage = root.lang, firstBase = data.base;
const firstMetric = Object.keys(data.metrics)[0] || null;
const heat = byId("heat");
const planOrder = heat ? [...heat.tBodies[0].rows] : [];
let current = nothing();
let painted = {};

function fits(stack, facets) {
  return FACETS.every((key) => {
    const wanted = facets[key];
    if (!wanted || key === "scenario") return true;
    return Array.isArray(stack[key]) ? stack[key].includes(wanted) : stack[key] === wanted;
  });
}

function filter(facets) {
  let shown = 0;
  data.stacks.forEach((stack, number) => {
    const hidden = !fits(stack, facets);
    shown += !hidden;
    for (const one of rowsByStack[number]) if (one.hidden !== hidden) one.hidden = hidden;
    for (const one of drawnByStack[number]) one.style.opacity = hidden ? "0.12" : "";
  });
  for (const [name, nodes] of byScenario) {
    const hidden = Boolean(facets.scenario) && facets.scenario !== name;
    for (const one of nodes) {
      if (one.hidden !== hidden) one.hidden = hidden;
      if (!hidden && facets.scenario && one.tagName === "DETAILS" && !one.closest("#trials")) one.open = true;
    }
  }
  const narrowed = FACETS.some((key) => facets[key]);
  byId("tools").classList.toggle("narrowed", narrowed);
  byId("shown").textContent = narrowed ? say("tools.shown", { shown, total: data.stacks.length }) : "";
}

function translate(language) {
  if (root.lang === language && painted.lang === language) return;
  root.lang = language;
  const tag = language.toLowerCase();
  for (const name of ["aria-label", "title"]) {
    for (const one of all(`[data-${name}-${tag}]`)) one.setAttribute(name, one.getAttribute(`data-${name}-${tag}`));
  }
  for (const one of all(`[data-data-said-${tag}]`)) one.textContent = one.getAttribute(`data-data-said-${tag}`);
}

function sortHeat(sort) {
  if (!heat) return;
  if (!sort) {
    heat.tBodies[0].append(...planOrder);
    for (const head of heat.querySelectorAll("[aria-sort]")) head.setAttribute("aria-sort", "none");
    return;
  }
  const up = sort.endsWith("-up"), name = sort.replace("-up", "");
  const at = name === "name" ? 0 : Number(name) + 1;
  if (at < heat.tHead.rows[0].cells.length) sortTable(heat, at, up);
}

function show(state) {
  const base = data.stacks.findIndex((one) => one.id === state.base);
  const now = { base: base < 0 ? firstBase : base, metric: state.metric || firstMetric, lang: state.lang || firstLanguage };
  translate(now.lang);
  if (state.theme === "system") root.removeAttribute("data-theme");
  else root.dataset.theme = state.theme;
  root.dataset.scale = state.scale;
  if (now.metric && (now.base !== painted.base || now.metric !== painted.metric)) {
    paintMatrix(now.metric, now.base);
    const chosen = all("#metric option").find((one) => one.value === now.metric);
    for (const one of all("#heat caption .metric")) one.textContent = chosen ? chosen.textContent : "";
    for (const one of all(".baseline")) one.textContent = data.stacks[now.base].id;
  }
  if (now.metric && now.lang !== painted.lang) {
    const chosen = all("#metric option").find((one) => one.value === now.metric);
    for (const one of all("#heat caption .metric")) one.textContent = chosen ? chosen.textContent : "";
  }
  if (now.base !== painted.base) paintAgainst(now.base);
  filter(state.facets);
  sortHeat(state.sort);
  for (const select of all("[data-facet]")) select.value = state.facets[select.dataset.facet] || "";
  const controls = { language: now.lang, theme: state.theme, scale: state.scale, metric: now.metric, baseline: (data.stacks[now.base] || {}).id };
  for (const [id, value] of Object.entries(controls)) if (byId(id) && value) byId(id).value = value;
  painted = now;
  current = state;
}

function change_to(changed) {
  show({ ...current, ...changed });
  const hash = written_hash(current);
  history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
}

function announce(text) {
  byId("said").textContent = text;
  clearTimeout(announce.later);
  announce.later = setTimeout(() => { byId("said").textContent = ""; }, 6000);
}

// An anchor may lie in something closed: open it, then go there.
function goTo(id) {
  const target = id && byId(decodeURIComponent(id));
  if (!target) return;
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  target.scrollIntoView();
}

function follow() {
  const { state, unknown, anchor } = parse(location.hash.slice(1));
  if (location.hash.includes("=") || !location.hash) show(location.hash.includes("=") ? state : { ...current });
  if (unknown.length) announce(say("tools.unknown", { keys: unknown.join(", ") }));
  goTo(anchor);
}

document.addEventListener("change", (event) => {
  const { id, dataset, value } = event.target;
  if (dataset.facet) change_to({ facets: { ...current.facets, [dataset.facet]: value } });
  else if (id === "baseline") change_to({ base: value });
  else if (id === "language") change_to({ lang: value });
  else if (["metric", "scale", "theme"].includes(id)) change_to({ [id]: value });
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button"), link = event.target.closest("a[href^='#']");
  if (link) {
    event.preventDefault();
    const hash = written_hash(current), id = link.getAttribute("href").slice(1);
    history.pushState(null, "", "#" + (hash ? `${hash}&at=${id}` : id));
    goTo(id);
    const target = byId(id);
    if (target) { target.tabIndex = target.tabIndex < 0 ? -1 : target.tabIndex; target.focus({ preventScroll: true }); }
  } else if (!button) return;
  else if (button.id === "reset") change_to({ ...nothing(), lang: current.lang, theme: current.theme });
  else if (button.dataset.copy) {
    const table = button.closest("p").previousElementSibling.querySelector("table");
    announce(say((await copy(written(table, button.dataset.copy))) ? "tools.copied" : "tools.not_copied"));
  } else if (button.classList.contains("sort")) {
    const head = button.closest("th"), table = head.closest("table"), was = head.getAttribute("aria-sort");
    if (table === heat) {
      const at = head.cellIndex, up = was === "descending" || (was === "none" && at === 0);
      change_to({ sort: (at ? at - 1 : "name") + (up ? "-up" : "") });
    } else {
      const at = columnOf(head, table.tHead.rows[0], [...table.tHead.rows].at(-1));
      sortTable(table, at, was === "descending" || (was === "none" && at === 0));
    }
  }
});

// The box with the exact values: on pointing, on tapping, and on focus with the keyboard.
const tip = byId("tip");
const TOLD = "td.heat[data-scenario], tr[data-stack] > .rail, svg [data-stack]";
let told_of = null;
function point(place) {
  const text = place ? textOf(place) : "";
  told_of = text ? place : null;
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  set_beside(place);
}

function set_beside(place) {
  tip.hidden = false;
  const box = place.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const above = box.top - own.height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : box.bottom + 8}px`;
  tip.hidden = box.bottom < 0 || box.top > innerHeight;
}

function textOf(place) {
  if (place.closest("svg")) {  // a mark of a picture: its title, which would otherwise appear a second time, after a while
    const title = place.querySelector("title");
    if (title) { place.dataset.tip = title.textContent; title.remove(); }
    return place.dataset.tip || "";
  }
  const row = place.closest("tr"), table = row.closest("table"), scenario = place.dataset.scenario || table.dataset.of;
  const metric = table === heat ? painted.metric : place.classList.contains("against") ? "capacity" : table.dataset.metric;
  const found = column(metric, scenario);
  return found ? told(metric, found, Number(row.dataset.stack), painted.base) : toldByRow(row, table);
}

// Where the page's data hold no such figure: what the row says, column by column.
function toldByRow(row, table) {
  const heads = [...table.tHead.rows].at(-1).cells;
  if (heads.length !== row.cells.length) return "";
  const figures = [...row.cells].filter((one) => one.tagName === "TD" && !one.matches(".rail, .words"));
  return [shownText(row.cells[0]), ...figures.map((one) => `${shownText(heads[one.cellIndex])}: ${shownText(one)}`)].join("\n");
}

const pointed = (event) => (event.target.closest ? event.target.closest(TOLD) : null);
document.addEventListener("pointerover", (event) => point(pointed(event)));
document.addEventListener("pointerdown", (event) => point(pointed(event)));
document.addEventListener("focusin", (event) => { if (pointed(event)) point(pointed(event)); });
document.addEventListener("focusout", (event) => { if (event.target === told_of) point(null); });
document.addEventListener("scroll", () => { if (told_of) set_beside(told_of); }, { passive: true, capture: true });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") point(null);
  const cell = pointed(event), step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!cell || !step || cell.closest("table") !== heat) return;
  event.preventDefault();
  const rows = [...heat.tBodies[0].rows].filter((one) => !one.hidden);
  const row = rows[rows.indexOf(cell.parentNode) + step[0]];
  const cells = row ? [...row.cells].filter((one) => !one.hidden && one.tagName === "TD") : [];
  const at = [...cell.parentNode.cells].filter((one) => !one.hidden && one.tagName === "TD").indexOf(cell) + step[1];
  if (!cells[at]) return;
  cell.tabIndex = -1;
  cells[at].tabIndex = 0;
  cells[at].focus();
});

// Headings of columns become buttons only here, so that without a script nothing looks as if it could be pressed.
for (const head of all("th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sort";
  button.append(...head.childNodes);
  head.append(button);
  head.setAttribute("aria-sort", head.dataset.sort);
}
root.dataset.js = "";
if (heatCells.length) heatCells[0][0].tabIndex = 0;
if (matchMedia("(max-width: 700px)").matches) document.querySelector("#tools details").open = false;
addEventListener("hashchange", follow);
// A report that grows: the header `Refresh` of `bench run --live` does not load an address with a hash again.
if (data.running && location.protocol.startsWith("http")) setTimeout(() => location.reload(), 10000);
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = all("details:not([open])");
  for (const one of unfolded) one.open = true;
});
addEventListener("afterprint", () => { for (const one of unfolded) one.open = false; });
show(parse(location.hash.slice(1)).state);
follow();
