// Spend now, spend over time, where it goes.

import { ask } from "./api.js";
import { timeChart, timeTable } from "./chart.js";
import { $, cellNumber, h, number, problem, remember, show, sqlButton, tools } from "./dom.js";
import { change, count, exact, money, month, percent, price, scopeName, size, valueName } from "./format.js";

const HOUR = 3600000;
const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");

export const RANGES = { "24h": { name: "24 h", hours: 24 }, "7d": { name: "7 days", hours: 168 }, "30d": { name: "30 days", days: 30 } };

// From where the rows of a question come: rollups if one grouping set has all of its dimensions, else the events themselves.
export function source(state, dimensions = []) {
  const wanted = [...new Set([...Object.keys(state.filters), ...dimensions])];
  const fits = state.catalog.sets.some((set) => wanted.every((name) => set.dimensions.includes(name)));
  return fits ? {} : { source: "events" };
}
const chosen = (state) => ({ currency: state.currency, zone: state.zone, ...state.filters });

export async function loadNow(state) {
  const answer = await ask("summary", { ...chosen(state), ...source(state) });
  remember("now", answer);
  const { currency, zone } = answer;
  const names = { hour: "This hour so far", day: "Today", month: "This month" };
  const figures = answer.periods.map((period) => {
    const spent = size(period.spent), before = size(period.previous.spent_by_now);
    const versus = { hour: "the hour before", day: "yesterday", month: "the month before" }[period.period];
    const shown = before > 0 ? `${change(spent / before - 1)} against ${versus} by now` : `nothing in ${versus} by now`;
    const lines = [h("p", { title: `${exact(period.previous.spent_by_now, currency)} by then; ${exact(period.previous.spent, currency)} in all` }, shown)];
    const forecast = answer.month_forecast;
    if (period.period === "month" && forecast) {
      lines.push(forecast.projection === null
        ? h("p", {}, forecast.days_known ? "" : "Projection: learning, no whole day yet")
        : h("p", {}, "Ends ", month(period.from, zone), " at ", number("now", money(forecast.projection, currency), exact(forecast.projection, currency), { "data-figure": "projection", "data-exact": forecast.projection }),
          ` (${money(forecast.projection_low, currency)} to ${money(forecast.projection_high, currency)})`));
    }
    if (period.unpriced_events) lines.push(h("p", { class: "warn" }, period.unpriced_events === 1 ? "1 event without a price is not in it" : `${count(period.unpriced_events)} events without a price are not in it`));
    return h("div", { class: "figure" }, h("h3", {}, names[period.period]),
      number("now", money(period.spent, currency), `${exact(period.spent, currency)}: show the SQL`, { class: "amount", "data-figure": period.period, "data-exact": period.spent, "data-key": `now-${period.period}` }), lines);
  });
  show("figures", figures);
  return answer;
}

// Same clock hour on each of the seven days before.
function withBand(points, all) {
  const byStart = new Map(all.map((row) => [Date.parse(row.window_start), row]));
  const first = all.length ? Date.parse(all[0].window_start) : Infinity;
  for (const point of points) {
    const start = Date.parse(point.start);
    if (start - 7 * 24 * HOUR < first) continue;
    const before = [1, 2, 3, 4, 5, 6, 7].map((days) => byStart.get(start - days * 24 * HOUR)?.cost ?? "0").sort((a, b) => size(a) - size(b));
    Object.assign(point, { low: size(before[0]), lowText: before[0], high: size(before[6]), highText: before[6] });
  }
}

function withRhythm(points, rows, isDollars) {
  const byHour = new Map(rows.map((row) => [Date.parse(row.hour), row]));
  for (const point of points) {
    const row = byHour.get(Date.parse(point.start));
    if (!row) continue;
    point.state = row.state;
    if (isDollars && row.expected !== null) Object.assign(point, { expected: size(row.expected), expectedText: row.expected });
  }
}

export async function loadHours(state, scope) {
  const range = RANGES[state.range];
  const common = { ...chosen(state), ...source(state), limit: 2000 };
  let answer, points, bandName, rhythm = { data: [] };
  if (range.hours) {
    const to = Math.floor(Date.now() / HOUR) * HOUR + HOUR, from = to - range.hours * HOUR;
    // Hours are UTC's here; only their names follow the zone, unless its offset is no whole hour.
    const asked = [ask("spend", { ...common, granularity: "hour", from: iso(from - 7 * 24 * HOUR), to: iso(to) })];
    if (scope) asked.push(ask("rhythm", { scope, from: iso(from), limit: 1000 }));
    [answer, rhythm = rhythm] = await Promise.all(asked);
    const rows = new Map(answer.data.map((row) => [Date.parse(row.window_start), row]));
    const offset = answer.data.length ? Date.parse(answer.data[0].window_start) % HOUR : 0;
    points = [];
    for (let at = from + offset; at < to; at += HOUR) points.push({ start: iso(at), text: rows.get(at)?.cost ?? (rows.has(at) ? null : "0"), isRunning: at + HOUR > Date.now() });
    for (const point of points) point.value = size(point.text);
    withBand(points, answer.data);
    withRhythm(points, rhythm.data, state.currency === "USD");
    bandName = "7 days before";
  } else {
    answer = await ask("spend", { ...common, granularity: "day" });
    const rows = answer.data;
    points = rows.map((row) => ({ start: row.window_start, text: row.cost, value: size(row.cost), isRunning: Date.parse(row.window_start) + 24 * HOUR > Date.now() }));
  }
  remember("hours", { queries: [...answer.queries, ...(rhythm.queries ?? [])] });
  const isDaily = !range.hours;
  $("hours-title").textContent = isDaily ? "Spend by day" : "Spend by hour";
  tools("hours", sqlButton("hours", "the chart"));
  if (!points.some((p) => p.value !== 0)) {
    show("hours", h("p", { class: "empty" }, `No data: nothing was spent in the last ${range.name}${Object.keys(state.filters).length ? " with these filters" : ""}.`));
    return;
  }
  const { currency, zone } = answer;
  const hasBand = points.some((p) => p.high !== undefined), hasExpected = points.some((p) => p.expected !== undefined);
  const isLearning = points.some((p) => p.state === "LEARNING") && points.at(-2)?.state === "LEARNING";
  const chart = {
    points, currency, zone, isDaily, bandName, panel: "hours", width: document.querySelector("#hours > .body").clientWidth, title: isDaily ? "Spend by day" : "Spend by hour",
    description: `${points.length} bars, in ${currency}. ${hasBand ? "Behind each, the range of the same hour on the seven days before. " : ""}${hasExpected ? "A line shows what the detector expected. " : ""}The same values follow as a table.`,
  };
  show("hours", timeChart(chart), h("p", { class: "legend" },
    h("span", {}, h("i", { class: "k-spend" }), "spent"), h("span", {}, h("i", { class: "k-running" }), isDaily ? "running day" : "running hour"),
    hasBand && h("span", {}, h("i", { class: "k-band" }), "same hour on the 7 days before, lowest to highest"),
    hasExpected && h("span", {}, h("i", { class: "k-expected" }), "expected by the detector"),
    ["RESONANT", "DISSONANT", "CHAOTIC", "LEARNING", "IDLE"].filter((name) => points.some((p) => p.state === name)).map((name) => h("span", {}, h("i", { class: `k-${name}` }), name.toLowerCase())),
    !isDaily && !hasBand && h("span", {}, "No range of expectation yet: less than a week of data")),
  isLearning && h("p", { class: "soft" }, "Learning: there are not enough hours yet to say what is usual."), timeTable(chart));
}

export const SET_NAMES = { provider: "Provider", model: "Model", service: "Service", feature: "Feature", route: "Route", task_type: "Task", team: "Team", project: "Project", environment: "Environment", cost_center: "Cost centre", user: "User" };
const setName = (name) => SET_NAMES[name] ?? name;

function rangeOf(state) {
  const range = RANGES[state.range];
  if (range.days) {
    const start = new Date();
    return { from: iso(Math.floor(start / (24 * HOUR)) * 24 * HOUR - (range.days - 1) * 24 * HOUR), to: iso(Math.floor(start / (24 * HOUR)) * 24 * HOUR + 24 * HOUR) };
  }
  const to = Math.floor(Date.now() / HOUR) * HOUR + HOUR;
  return { from: iso(to - range.hours * HOUR), to: iso(to) };
}

export function showSets(state, choose) {
  const sets = state.catalog.sets.filter((set) => set.dimensions.length > 0);
  const tabs = sets.map((set) => h("button", {
    type: "button", role: "tab", id: `tab-${set.name}`, "aria-selected": String(set.name === state.by), "aria-controls": "breakdown-body", tabindex: set.name === state.by ? "0" : "-1",
    onclick: () => choose(set.name),
  }, setName(set.name)));
  $("sets").replaceChildren(...tabs);
  $("sets").onkeydown = (event) => {
    const at = sets.findIndex((set) => set.name === state.by);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: sets.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(sets[(next + sets.length) % sets.length].name);
    $(`tab-${state.by}`)?.focus();
  };
}

// Pages that were asked for stay shown when the figures are loaded anew.
let pages = { key: "", count: 1, search: "" };

export async function loadBreakdown(state, narrow) {
  const set = state.catalog.sets.find((each) => each.name === state.by);
  const key = JSON.stringify([state.by, state.filters, state.range, state.currency]);
  if (pages.key !== key) pages = { key, count: 1, search: "" };
  const asked = { ...chosen(state), ...source(state, set.dimensions), ...rangeOf(state), by: state.by, limit: Math.min(1000, 12 * pages.count), search: pages.search || undefined };
  let answer;
  try {
    answer = await ask("series", asked);
  } catch (error) {
    if (!error.problem || error.problem.status !== 400) throw error;
    show("breakdown", problem(error));
    return;
  }
  if (state.by !== set.name) return;
  remember("breakdown", answer);
  const { currency } = answer;
  const search = h("input", { type: "search", "aria-label": `Search ${setName(state.by)}`, placeholder: "Search", "data-key": "search", value: pages.search, size: "10", onchange: (event) => { pages.search = event.target.value; loadBreakdown(state, narrow); } });
  if (!document.activeElement?.matches("#breakdown input")) tools("breakdown", search, sqlButton("breakdown", "the breakdown"));
  const rows = answer.data.map((row) => {
    const name = set.dimensions.map((dimension) => valueName(row.values[dimension])).join(" / ");
    return h("tr", {},
      h("td", { class: "name" }, h("button", { type: "button", "data-key": `value-${row.scope}`, onclick: () => narrow(row.values), title: `Only ${scopeName(row.scope)}` }, name)),
      h("td", { class: "number" }, cellNumber("breakdown", money(row.cost, currency), exact(row.cost, currency))),
      h("td", { class: "share wide" }, h("span", { class: "meter", title: percent(row.share, 1) }, h("i", { "width%": row.share ?? 0 }))),
      h("td", { class: `number ${row.change > 0.5 ? "warn" : "soft"}` }, cellNumber("breakdown", change(row.change), `${exact(row.previous_cost, currency)} in the range before`)),
      h("td", { class: "number wide" }, count(row.calls)),
      h("td", { class: "number wide soft" }, row.cost_per_call === null ? "" : cellNumber("breakdown", price(row.cost_per_call, currency), exact(row.cost_per_call, currency))),
      h("td", { class: `number wide ${row.calls && row.errors / row.calls > 0.05 ? "bad" : "soft"}` }, row.calls ? percent(row.errors / row.calls, 1) : ""));
  });
  const head = [["", setName(state.by)], ["number", "Spend"], ["share wide", "Share"], ["number", "Change"], ["number wide", "Calls"], ["number wide", "Per call"], ["number wide", "Failed"]];
  if (!rows.length) {
    show("breakdown", h("p", { class: "empty" }, pages.search ? `Nothing found for “${pages.search}”.` : "No data in this range."));
    return;
  }
  show("breakdown", h("table", {}, h("thead", {}, h("tr", {}, head.map(([kind, text]) => h("th", { scope: "col", class: kind }, text)))), h("tbody", {}, rows)),
    answer.next_cursor && h("p", { class: "actions" }, h("button", { type: "button", class: "quiet", "data-key": "more", onclick: () => { pages.count += 2; loadBreakdown(state, narrow); } }, "Show more")));
}
