// Incidents; alerts: the list, and the life of one in a dialog.

import { ask } from "./api.js";
import { $, h, number, problem, remember, show, sqlButton, tools } from "./dom.js";
import { age, count, exact, money, moment, scopeName, scopeParts } from "./format.js";

const TONES = { info: "soft", warning: "warn", critical: "bad", emergency: "bad" };
const STATES = { fired: "fired", escalated: "escalated", resolved: "resolved", period_reset: "period over" };
const isOpen = (row) => row.state === "fired" || row.state === "escalated";
const tone = (row) => (isOpen(row) ? TONES[row.level] : "soft");
const pill = (row) => h("span", { class: `pill ${tone(row)}`, title: row.silenced || null }, isOpen(row) ? row.level : STATES[row.state], row.silenced && ", silenced");

let shown = 8;

const INCIDENTS_SHOWN = 5;

// What was too much, by its cause: the narrowest scope, and who else saw it.
export async function loadIncidents(state, open) {
  const answer = await ask("incidents", { scope: state.alertScope, limit: INCIDENTS_SHOWN });
  remember("incidents", answer);
  tools("incidents", sqlButton("incidents", "the incidents"));
  if (!answer.data.length) {
    show("incidents", h("p", { class: "empty" }, "No data: no closed hour was far above what was expected."));
    return;
  }
  const items = answer.data.map((row) => {
    const seen = row.contributors.map((each) => scopeName(each.scope));
    const factor = row.factor === null ? "where nothing was expected" : `${count(Math.round(row.factor * 10) / 10)} times what was expected`;
    return h("li", {}, h("button", { type: "button", class: "alert", "data-key": `incident-${row.scope}-${row.started_at}`, disabled: !row.alert_id, onclick: () => open(row.alert_id) },
      h("span", { class: `pill ${row.state === "open" ? TONES[row.level] : "soft"}` }, row.state === "open" ? row.level : "resolved"),
      h("b", {}, scopeName(row.scope)), h("span", { class: "when", title: row.started_at }, `${age((Date.now() - Date.parse(row.started_at)) / 1000)} ago`),
      h("p", {}, h("b", { title: exact(row.excess, "USD") }, money(row.excess, "USD")), ` too much from ${moment(row.started_at, state.zone)} to ${moment(row.ended_at, state.zone)}, ${factor}.`,
        seen.length > 0 && ` Also seen in ${seen.slice(0, 4).join(", ")}${seen.length > 4 ? ` and ${seen.length - 4} more` : ""}.`)));
  });
  show("incidents", h("ul", {}, items), answer.next_cursor && h("p", { class: "soft" }, "Older ones are in the view incidents."));
}

export async function loadAlerts(state, open, changeFilter) {
  const scope = state.alertScope;
  const answer = await ask("alerts", { latest: true, open: state.alerts === "open" ? true : undefined, scope, limit: shown });
  remember("alerts", answer);
  const filter = h("label", {}, h("input", { type: "checkbox", "data-key": "open-only", onchange: (event) => { shown = 8; changeFilter(event.target.checked ? "open" : "all"); } }), "only open");
  filter.firstChild.checked = state.alerts === "open";
  if (!document.activeElement?.matches("#alerts input")) tools("alerts", filter, sqlButton("alerts", "the alerts"));
  if (!answer.data.length) {
    show("alerts", h("p", { class: "empty" }, state.alerts === "open" ? "Nothing is open." : "No data: no alert has been sent."));
    return;
  }
  const items = answer.data.map((row) => h("li", {}, h("button", { type: "button", class: "alert", "data-key": row.id, onclick: () => open(row.id) },
    pill(row), h("b", {}, `${row.rule} · ${scopeName(row.scope)}`), h("span", { class: "when", title: row.occurred_at }, `${age((Date.now() - Date.parse(row.occurred_at)) / 1000)} ago`), h("p", {}, row.explanation))));
  show("alerts", h("ul", {}, items), answer.next_cursor && h("p", { class: "actions" }, h("button", { type: "button", class: "quiet", "data-key": "more-alerts", onclick: () => { shown = Math.min(500, shown + 16); loadAlerts(state, open, changeFilter); } }, "Show more")));
}

export async function showAlert(id, state, narrow) {
  const dialog = $("alert-dialog");
  const close = h("button", { type: "button", class: "press", onclick: () => dialog.close() }, "Close");
  const title = (text) => h("header", {}, h("h2", { id: "alert-title" }, text), close);
  if (!dialog.open) {
    dialog.replaceChildren(title("Alert"), h("div", { class: "placeholder" }));
    dialog.showModal();
  }
  let answer;
  try {
    answer = await ask(`alerts/${encodeURIComponent(id)}`);
  } catch (error) {
    dialog.replaceChildren(title("Alert"), problem(error));
    return;
  }
  remember("alert", answer);
  const row = answer.data.find((each) => each.id === id), newest = answer.data.at(-1);
  const amount = (text) => number("alert", money(text, row.currency), exact(text, row.currency));
  const fact = (name, text) => text !== null && h("div", {}, h("dt", {}, name), h("dd", {}, amount(text)));
  const copied = h("span", { role: "status", class: "soft" });
  const copy = async () => {
    const link = `${location.origin}/alerts/${id}`;
    await navigator.clipboard.writeText(link).then(() => { copied.textContent = "Copied"; }, () => { copied.textContent = link; });
  };
  const filters = Object.fromEntries(scopeParts(row.scope));
  dialog.replaceChildren(
    title(`${row.rule} · ${scopeName(row.scope)}`),
    h("p", { class: "sentence" }, pill(newest), h("span", { class: "soft" }, ` ${row.period} · ${isOpen(newest) ? "open" : STATES[newest.state]} since ${moment(newest.occurred_at, state.zone)}`)),
    h("p", { class: "explanation" }, row.explanation),
    h("dl", { class: "facts" }, fact("Spent", row.current), fact("Threshold", row.threshold), fact("Before", row.previous), fact("Projection", row.projection)),
    row.silenced && h("p", { class: "sentence soft" }, `Not sent: ${row.silenced}`),
    row.recommendation && h("p", {}, h("b", {}, "What to do: "), row.recommendation),
    h("h3", {}, "Its life"),
    h("ol", { class: "life" }, answer.data.map((each) => h("li", { "aria-current": each.id === id ? "true" : null },
      h("time", { datetime: each.occurred_at, class: "soft" }, moment(each.occurred_at, state.zone)), h("span", {}, pill(each)),
      h("span", {}, `${STATES[each.state]} at `, amount(each.current), h("span", { class: "soft" }, ` (threshold ${money(each.threshold, each.currency)})`))))),
    h("p", { class: "actions" },
      Object.keys(filters).length > 0 && h("button", { type: "button", class: "press", onclick: () => { dialog.close(); narrow(filters); } }, "Show this scope"),
      h("button", { type: "button", class: "press", onclick: copy }, "Copy link"), sqlButton("alert", "this alert"), copied));
}
