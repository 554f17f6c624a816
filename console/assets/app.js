// What is shown stands in the address: filters, range, currency, zone, grouping, the open alert. So links can be passed on and the back button works.

import { loadAlerts, loadIncidents, showAlert } from "./alerts.js";
import { ApiError, ask, listen } from "./api.js";
import { $, h, problem, show } from "./dom.js";
import { age, scopeName } from "./format.js";
import { loadBudgets, loadPipeline, loadRhythm } from "./panels.js";
import { loadBreakdown, loadHours, loadNow, RANGES, showSets, source } from "./spend.js";

const ZONES = ["UTC", "Asia/Seoul", "Asia/Tokyo", "Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles"];
const DIMENSIONS = ["provider", "model", "service", "feature", "route", "task_type", "team", "project", "environment", "cost_center", "user_id", "operation", "owner", "tier"];
// A newest event older than this is worth saying.
const QUIET_SECONDS = 15 * 60;

const state = { catalog: null, filters: {}, range: "24h", currency: "USD", zone: "UTC", by: "provider", alerts: "all", alert: null };

function readAddress() {
  const query = new URLSearchParams(location.search);
  state.range = query.get("range") in RANGES ? query.get("range") : "24h";
  state.currency = query.get("currency") ?? "USD";
  state.zone = query.get("zone") ?? state.catalog?.zone ?? "UTC";
  state.by = query.get("by") ?? "provider";
  state.alerts = query.get("alerts") === "open" ? "open" : "all";
  state.filters = Object.fromEntries(DIMENSIONS.filter((name) => query.has(name)).map((name) => [name, query.get(name)]));
  state.alert = /^\/alerts\/([^/]+)$/.exec(location.pathname)?.[1] ?? null;
  const sets = state.catalog?.sets.filter((set) => set.dimensions.length) ?? [];
  if (sets.length && !sets.some((set) => set.name === state.by)) state.by = sets[0].name;
}

function address() {
  const query = new URLSearchParams();
  if (state.range !== "24h") query.set("range", state.range);
  if (state.currency !== "USD") query.set("currency", state.currency);
  if (state.zone !== state.catalog?.zone) query.set("zone", state.zone);
  if (state.by !== "provider") query.set("by", state.by);
  if (state.alerts === "open") query.set("alerts", "open");
  for (const [name, value] of Object.entries(state.filters)) query.set(name, value);
  return `${state.alert ? `/alerts/${state.alert}` : "/"}${query.size ? `?${query}` : ""}`;
}

function go(changes) {
  Object.assign(state, changes);
  history.pushState(null, "", address());
  draw();
}

const narrow = (values) => go({ alert: null, filters: { ...state.filters, ...values } });
const openAlert = (id) => go({ alert: id });

// The scope that budgets, alerts and rhythm know these filters by.
const scope = () => {
  const names = Object.keys(state.filters);
  if (!names.length) return "total";
  const escape = (value) => value.replace(/[,=\\]/g, "\\$&");
  const set = state.catalog.sets.find((each) => each.dimensions.length === names.length && names.every((name) => each.dimensions.includes(name)));
  return set ? set.dimensions.map((name) => `${name}=${escape(state.filters[name])}`).join(",") : null;
};

// ------------------------------------------------------------------ panels, each loaded no more often than it can change in earnest

const PANELS = {
  now: { every: 2000, topics: ["spend"], load: () => loadNow(state), target: "figures" },
  hours: { every: 10000, topics: ["spend", "rhythm"], load: () => loadHours(state, scope()) },
  breakdown: { every: 10000, topics: ["spend"], load: () => loadBreakdown(state, narrow) },
  budgets: { every: 6000, topics: ["budgets"], load: () => loadBudgets(state) },
  alerts: { every: 3000, topics: ["alerts"], load: () => loadAlerts({ ...state, alertScope: alertScope() }, openAlert, (alerts) => go({ alerts })) },
  incidents: { every: 6000, topics: ["alerts", "rhythm"], load: () => loadIncidents({ ...state, alertScope: alertScope() }, openAlert) },
  rhythm: { every: 10000, topics: ["rhythm"], load: () => loadRhythm(state, scope()) },
  pipeline: { every: 5000, topics: ["spend"], load: () => loadPipeline() },
};
const alertScope = () => (Object.keys(state.filters).length ? scope() ?? undefined : undefined);

let loadedAt = null, newestEvent = null, isConnected = false, isReachable = true, clickhouse = null, wanted = new Set();

async function load(name) {
  const panel = PANELS[name];
  if (panel.isLoading) {
    panel.isWanted = true;
    return;
  }
  Object.assign(panel, { isLoading: true, isWanted: false, startedAt: Date.now() });
  try {
    const answer = await panel.load();
    panel.hasData = true;
    isReachable = true;
    if (name === "now") {
      loadedAt = Date.now();
      newestEvent = answer.last_event_at ? Date.parse(answer.last_event_at) : null;
      clickhouse = null;
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!error.problem) isReachable = false;
    else if (error.problem.status === 503 && name === "now") clickhouse = error.problem;
    // Figures that are there stay, and the line above says how old they are.
    if (!panel.hasData || (error.problem && error.problem.status < 500)) show(panel.target ?? name, problem(error));
    wanted.add(name);
  } finally {
    panel.isLoading = false;
    if (panel.isWanted) load(name);
  }
  tell();
}

function pump() {
  if (document.hidden) return;
  for (const name of [...wanted]) {
    const panel = PANELS[name];
    if (panel.isLoading || Date.now() - (panel.startedAt ?? 0) < panel.every) continue;
    wanted.delete(name);
    load(name);
  }
  tell();
}

function tell() {
  const old = loadedAt === null ? null : (Date.now() - loadedAt) / 1000;
  const figures = old === null ? "No figures yet" : `Figures are ${age(old)} old`;
  let kind = "live", text = "Live";
  const silent = newestEvent === null ? null : (Date.now() - newestEvent) / 1000;
  if (!isReachable) [kind, text] = ["unreachable", `Unreachable: the service does not answer. ${figures}. Trying again`];
  else if (clickhouse) [kind, text] = ["stale", `Stale: ${clickhouse.title}. ${figures}. Trying again`];
  else if (loadedAt === null) [kind, text] = ["loading", "Loading"];
  else if (!isConnected) [kind, text] = ["stale", `Stale: no live connection. ${figures}. Connecting`];
  else if (silent === null) [kind, text] = ["quiet", "Live · no data: no event has been counted in this month or the last"];
  else if (silent > QUIET_SECONDS) [kind, text] = ["quiet", `Live · newest event ${age(silent)} ago`];
  document.body.dataset.state = kind;
  if ($("live-text").textContent !== text) $("live-text").textContent = text;
}

// ------------------------------------------------------------------ choices

function showChoices() {
  $("ranges").replaceChildren(h("legend", { class: "hidden" }, "Range"), ...Object.entries(RANGES).map(([name, range]) => {
    const input = h("input", { type: "radio", name: "range", value: name, onchange: () => go({ range: name }) });
    input.checked = name === state.range;
    return h("label", {}, input, h("span", {}, range.name));
  }));
  const options = (select, values, chosen, change) => {
    const all = values.includes(chosen) ? values : [chosen, ...values];
    select.replaceChildren(...all.map((value) => h("option", { value }, value)));
    select.value = chosen;
    select.onchange = () => change(select.value);
  };
  options($("currency"), state.catalog?.currencies ?? ["USD"], state.currency, (currency) => go({ currency }));
  const zones = [...new Set([state.catalog?.zone ?? "UTC", ...ZONES, Intl.DateTimeFormat().resolvedOptions().timeZone])];
  options($("zone"), zones, state.zone, (zone) => go({ zone }));
}

function showFilters() {
  const pairs = Object.entries(state.filters);
  $("filters").hidden = pairs.length === 0;
  const without = (name) => Object.fromEntries(pairs.filter(([each]) => each !== name));
  $("filters").replaceChildren(...pairs.map(([name, value]) => h("button", { type: "button", class: "chip", "aria-label": `Remove the filter ${name.replaceAll("_", " ")} ${value}`, onclick: () => go({ filters: without(name) }) },
    h("span", { class: "soft" }, name.replaceAll("_", " ")), h("b", {}, value === "" ? "(none)" : value), h("span", { "aria-hidden": "true" }, "×"))),
  pairs.length > 1 ? h("button", { type: "button", class: "quiet", onclick: () => go({ filters: {} }) }, "Remove all") : "",
  pairs.length > 0 && source(state).source === "events" ? h("span", { class: "soft" }, "Counted from single events: no rollup has these dimensions together.") : "");
}

function draw() {
  showChoices();
  if (!state.catalog) return;
  showFilters();
  showSets(state, (by) => go({ by }));
  document.title = `${Object.keys(state.filters).length ? `${scopeName(scope() ?? Object.values(state.filters).join(" "))} · ` : ""}Cost Rhythm`;
  wanted.clear();
  for (const name of Object.keys(PANELS)) load(name);
  const dialog = $("alert-dialog");
  if (state.alert) showAlert(state.alert, state, narrow);
  else if (dialog.open) dialog.close();
}

async function start() {
  try {
    state.catalog = await ask("catalog");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!error.problem) isReachable = false;
    else clickhouse = error.problem;
    tell();
    show("figures", problem(error));
    setTimeout(start, 2000);
    return;
  }
  clickhouse = null;
  isReachable = true;
  $("version").textContent = `Version ${state.catalog.version}`;
  $("notice").hidden = true;
  readAddress();
  draw();
}

$("alert-dialog").addEventListener("close", () => state.alert && go({ alert: null }));
addEventListener("popstate", () => {
  readAddress();
  draw();
});
let widest = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== widest && state.catalog) wanted.add("hours");
  widest = innerWidth;
});
$("choices").addEventListener("submit", (event) => event.preventDefault());
readAddress();
showChoices();
start();
listen((name, data) => {
  const isNew = !isConnected;
  isConnected = true;
  if (name === "hello" || isNew) for (const each of Object.keys(PANELS)) wanted.add(each);
  for (const [each, panel] of Object.entries(PANELS)) if (data.topics?.some((topic) => panel.topics.includes(topic)) || data.is_clickhouse_reachable === false) wanted.add(each);
  if (state.catalog) pump();
}, () => {
  isConnected = false;
  for (const each of Object.keys(PANELS)) wanted.add(each);
  tell();
});
setInterval(() => state.catalog && pump(), 1000);
setInterval(tell, 1000);
