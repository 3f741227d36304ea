// The page's frame: views by the address's fragment, the API key, light and dark.

import { byId, show } from "./dom.js";
import { poll, watch } from "./live.js";
import { offerChoices, startPlayground } from "./playground.js";
import { apiKey, ask, keepApiKey } from "./server.js";
import { list, startVerdicts } from "./verdicts.js";

const VIEWS = ["overview", "playground", "verdicts"];

function view() {
  const named = location.hash.slice(1);
  const shown = VIEWS.includes(named) ? named : VIEWS[0];
  for (const name of VIEWS) {
    show(byId(`view-${name}`), name === shown);
    if (name === shown) byId(`tab-${name}`).setAttribute("aria-current", "page");
    else byId(`tab-${name}`).removeAttribute("aria-current");
  }
  watch(shown === "overview");
  if (shown === "verdicts") list();
}

async function learn() {
  try {
    offerChoices(await ask("/v1/capabilities"));
  } catch {
    setTimeout(learn, 3000); // starting, or a key is needed: the state in the header says which
  }
}

function keyPanel(open) {
  show(byId("key-panel"), open);
  byId("key-toggle").setAttribute("aria-expanded", String(open));
  if (open) byId("key").focus();
}

function useKey(key) {
  keepApiKey(key);
  byId("key").value = key;
  byId("key-toggle").textContent = key ? "API key is set" : "API key";
  keyPanel(false);
  poll();
  learn();
  view();
}

function startKey() {
  byId("key").value = apiKey();
  byId("key-toggle").textContent = apiKey() ? "API key is set" : "API key";
  byId("key-toggle").addEventListener("click", () => keyPanel(byId("key-panel").hidden));
  byId("key-panel").addEventListener("submit", (event) => { event.preventDefault(); useKey(byId("key").value.trim()); });
  byId("key-forget").addEventListener("click", () => useKey(""));
  window.addEventListener("unauthenticated", () => byId("key-panel").hidden && keyPanel(true), { once: true });
}

function startTheme() {
  const set = (theme) => theme && document.documentElement.setAttribute("data-theme", theme);
  set(localStorage.getItem("theme"));
  byId("theme").addEventListener("click", () => {
    const chosen = localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    localStorage.setItem("theme", chosen === "dark" ? "light" : "dark");
    set(localStorage.getItem("theme"));
  });
}

startTheme();
startKey();
startPlayground();
startVerdicts();
window.addEventListener("hashchange", view);
view();
poll();
learn();
