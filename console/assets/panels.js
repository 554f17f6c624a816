// Budgets, rhythm, pipeline.

import { ask } from "./api.js";
import { cellNumber, h, number, remember, show, sqlButton, tools } from "./dom.js";
import { count, exact, money, moment, percent, scopeName, size } from "./format.js";

const grade = (row) => (row.ratio >= 1 ? "bad" : row.ratio >= 0.8 || (row.forecast_ratio ?? row.projected_ratio) >= 1 ? "warn" : "good");

const ACTIONS = { SCALE_DOWN: "scale down", ROLLBACK: "roll back", EMERGENCY_STOP: "stop now" };

// Where the period ends: expected by time of day and week where that is known, else on a straight line.
function ending(row, zone) {
  const amount = (text) => number("budgets", money(text, row.currency), exact(text, row.currency));
  const reached = (instant) => instant && h("span", { class: "bad" }, ` The limit is reached ${moment(instant, zone)}.`);
  if (row.forecast !== null) {
    const action = ACTIONS[row.action] && h("span", { class: "warn" }, ` Recommended: ${ACTIONS[row.action]}, confidence ${percent(row.confidence)}.`);
    return ["Expected to end at ", amount(row.forecast), ` (${money(row.forecast_low, row.currency)} to ${money(row.forecast_high, row.currency)}).`, reached(row.forecast_exceeded_at), action];
  }
  if (row.projection === null) return "Too early in the period for a projection.";
  return ["At this pace it ends at ", amount(row.projection), ` (${percent(row.projected_ratio)}).`, reached(row.exceeded_at)];
}

function budget(row, zone) {
  return h("li", { class: "budget" },
    h("div", { class: "line" }, h("span", {}, h("b", {}, row.budget), row.scope && h("span", { class: "soft" }, ` ${scopeName(row.scope)}`), h("span", { class: "soft" }, ` ${row.period}`)),
      h("span", {}, number("budgets", money(row.spent, row.currency), exact(row.spent, row.currency), { "data-figure": `budget-${row.budget}`, "data-exact": row.spent }), h("span", { class: "soft" }, ` of ${money(row.limit, row.currency)}`))),
    h("span", { class: `meter ${grade(row)}`, role: "img", "aria-label": `${percent(row.ratio)} spent, ${percent(row.elapsed_ratio)} of the period is over` },
      h("i", { "width%": row.ratio ?? 0 }), h("u", { "left%": row.elapsed_ratio, title: "now, in the period" })),
    h("p", {}, h("span", { class: grade(row) }, `${percent(row.ratio)} spent`), ` · ${percent(row.elapsed_ratio)} of the period is over. `, ending(row, zone)));
}

export async function loadBudgets(state) {
  const [whole, hottest] = await Promise.all([ask("budgets", { scope: "", limit: 50 }), ask("budgets", { limit: 20 })]);
  remember("budgets", { queries: [...whole.queries, ...hottest.queries] });
  tools("budgets", sqlButton("budgets", "the budgets"));
  const apart = hottest.data.filter((row) => row.scope !== "").slice(0, 5);
  if (!whole.data.length && !apart.length) {
    show("budgets", h("p", { class: "empty" }, "No data: no budget has a running period. Budgets are files named in [budgets]; a period begins with its first event."));
    return;
  }
  const item = (row) => budget(row, state.zone);
  show("budgets", h("ul", {}, whole.data.slice(0, 6).map(item)),
    whole.data.length > 6 && h("details", { "data-key": "budgets-more" }, h("summary", { "data-key": "budgets-summary" }, `${whole.data.length - 6} more with less spent`), h("ul", {}, whole.data.slice(6).map(item))),
    apart.length > 0 && h("details", { "data-key": "budgets-each" }, h("summary", { "data-key": "budgets-each-summary" }, "Budgets for each value: the fullest"), h("ul", {}, apart.map(item))));
}

const STATES = {
  RESONANT: "steady: the money comes as expected", DISSONANT: "drifting from what is usual", CHAOTIC: "unpredictable", LEARNING: "not enough hours yet to judge", IDLE: "hardly any spend",
};

function measure(value, limit, isGood, name) {
  if (value === null) return h("td", { class: "number soft" }, "–");
  return h("td", {}, h("span", { class: `number ${isGood ? "" : "bad"}`, "data-query": "rhythm", title: `${name} ${value}; good ${name === "entropy" ? "up to" : "from"} ${limit}` }, value.toFixed(2)),
    h("span", { class: `meter wide ${isGood ? "good" : "bad"}` }, h("i", { "width%": value }), h("u", { "left%": limit })));
}

export async function loadRhythm(state, scope) {
  const answer = await ask("rhythm", { limit: 1000 });
  remember("rhythm", answer);
  tools("rhythm", sqlButton("rhythm", "the rhythm"));
  const { coherence_from: coherence, phase_from: phase, entropy_to: entropy } = answer.limits;
  const rank = (row) => (row.scope === (scope ?? "total") ? Infinity : row.scope === "total" ? 1e300 : size(row.expected));
  const rows = answer.data.filter((row) => !row.scope.startsWith("budget:")).sort((a, b) => rank(b) - rank(a));
  if (!rows.length) {
    show("rhythm", h("p", { class: "empty" }, "No data: no hour has been judged yet. The first judgement comes when the first hour with spend is over."));
    return;
  }
  const isLearning = rows.every((row) => row.state === "LEARNING");
  const line = (row) => h("tr", {},
    h("td", { class: "name" }, scopeName(row.scope)),
    h("td", {}, h("span", { class: `state s-${row.state}`, title: STATES[row.state] }, row.state)),
    measure(row.coherence, coherence, row.coherence >= coherence, "coherence"), measure(row.phase, phase, row.phase >= phase, "phase"), measure(row.entropy, entropy, row.entropy <= entropy, "entropy"),
    h("td", { class: "number soft wide" }, moment(row.hour, state.zone)));
  const limited = (name, limit) => h("th", { scope: "col" }, name, h("span", { class: "wide" }, ` ${limit}`));
  const table = (part) => h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Scope"), h("th", { scope: "col" }, "State"),
    limited("Coherence", `≥ ${coherence}`), limited("Phase", `≥ ${phase}`), limited("Entropy", `≤ ${entropy}`), h("th", { scope: "col", class: "number wide" }, "Hour"))), h("tbody", {}, part.map(line)));
  const first = rows[0];
  show("rhythm", h("p", { class: "sentence" }, `${scopeName(first.scope)} is `, h("span", { class: `state s-${first.state}` }, first.state), `: ${STATES[first.state]}.`,
    isLearning && " Learning takes about two weeks of hours; until then there are no alerts by rhythm."),
  table(rows.slice(0, 8)), rows.length > 8 && h("details", { "data-key": "rhythm-more" }, h("summary", { "data-key": "rhythm-summary" }, `${rows.length - 8} more scopes`), table(rows.slice(8))));
}

const PIPELINE = { ok: "Running", starting: "No partition is assigned yet", waiting: "Waiting", failed: "A person is needed" };

export async function loadPipeline() {
  const answer = await ask("health");
  remember("pipeline", answer);
  tools("pipeline", sqlButton("pipeline", "the accounts"));
  const lag = answer.partitions.map((p) => p.lag).filter((value) => value !== null).reduce((sum, value) => sum + value, 0);
  const accounts = answer.accounts;
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value === undefined ? "–" : cellNumber("pipeline", count(value), `${name}: ${value}`)));
  const sentences = [...answer.failures, ...answer.waits];
  if (answer.clickhouse_problem) sentences.push(`${answer.clickhouse_problem.detail} (${answer.clickhouse_problem.code})`);
  show("pipeline",
    h("p", { class: "sentence" }, h("span", { class: `state s-${answer.status}` }, PIPELINE[answer.status]), answer.status === "ok" ? `, ${count(lag)} messages behind.` : "."),
    sentences.map((text) => h("p", { class: "problem" }, text)),
    h("dl", { class: "facts" }, fact("Offsets in", accounts?.offsets_in), fact("Counted", accounts?.counted), fact("Duplicate", accounts?.duplicate), fact("Conflict", accounts?.conflict), fact("Late", accounts?.late), fact("Rejected", accounts?.rejected), fact("Skipped", accounts?.skipped)),
    answer.partitions.length > 0 && h("details", { "data-key": "partitions" }, h("summary", { "data-key": "partitions-summary" }, `${answer.partitions.length} partitions`),
      h("table", {}, h("thead", {}, h("tr", {}, ["Stage", "Partition", "State"].map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col", class: "number" }, "Behind"))),
        h("tbody", {}, answer.partitions.map((p) => h("tr", {}, h("td", {}, p.stage), h("td", {}, p.partition), h("td", {}, h("span", { class: `state s-${p.state}` }, p.state), p.reason && ` ${p.reason}`), h("td", { class: "number" }, p.lag === null ? "–" : count(p.lag))))))));
  return answer;
}
