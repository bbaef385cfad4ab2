"use strict";
// Language and theme, kept in the address. Everything else stands on the page without a script.
const root = document.documentElement;
const firstLanguage = root.lang;
const all = (selector) => [...document.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

function read() {
  const hash = location.hash.slice(1);
  return hash.includes("=") ? new URLSearchParams(hash) : new URLSearchParams(hash ? { at: hash } : {});
}

function show(state) {
  const known = all("#language option").map((one) => one.value);
  const language = known.includes(state.get("lang")) ? state.get("lang") : firstLanguage;
  const theme = ["light", "dark"].includes(state.get("theme")) ? state.get("theme") : "system";
  root.lang = language;
  const tag = language.toLowerCase();
  for (const name of ["aria-label", "title"]) {
    for (const one of all(`[data-${name}-${tag}]`)) one.setAttribute(name, one.getAttribute(`data-${name}-${tag}`));
  }
  for (const one of all(`[data-data-said-${tag}]`)) one.textContent = one.getAttribute(`data-data-said-${tag}`);
  if (theme === "system") root.removeAttribute("data-theme");
  else root.dataset.theme = theme;
  byId("language").value = language;
  byId("theme").value = theme;
  const target = state.get("at") && byId(state.get("at"));
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  if (target) target.scrollIntoView();
}

function change(key, value) {
  const state = read();
  state.set(key, value);
  history.replaceState(null, "", "#" + state);
  state.delete("at");
  show(state);
}

document.addEventListener("change", (event) => {
  if (event.target.id === "language") change("lang", event.target.value);
  else if (event.target.id === "theme") change("theme", event.target.value);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (!link) return;
  event.preventDefault();
  const state = read();
  state.set("at", link.getAttribute("href").slice(1));
  history.pushState(null, "", "#" + state);
  show(state);
});
addEventListener("hashchange", () => show(read()));
addEventListener("popstate", () => show(read()));
addEventListener("beforeprint", () => { for (const one of all("details")) one.open = true; });
root.dataset.js = "";
show(read());
