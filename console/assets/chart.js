// Spend over time as bars, with what is usual behind them and the rhythm's state below.

import { h, s } from "./dom.js";
import { clock, day, exact, money, moment, size, weekday } from "./format.js";

const LEFT = 52, TOP = 8, BOTTOM = 38;

// Steps that read well, three to five of them.
function scale(largest) {
  if (!(largest > 0)) return { top: 1, step: 1 };
  const unit = 10 ** Math.floor(Math.log10(largest / 4));
  const step = unit * [1, 2, 2.5, 5, 10].find((factor) => factor * unit * 4 >= largest * 0.999);
  return { top: Math.ceil(largest / step - 0.001) * step, step };
}
// A scale's mark: not an amount of anybody, so floating point will do.
const mark = (value, top) => (top >= 4000 ? `${+(value / 1000).toFixed(1)}k` : `${+value.toFixed(top < 1 ? 4 : 2)}`);

// points: { start, text, value, low, high, expected, expectedText, state, isRunning }
export function timeChart({ points, currency, zone, isDaily, title, description, bandName, panel, width }) {
  // Drawn in the pixels that there are, so that text is text's size on a phone too.
  const WIDTH = Math.max(260, width), HEIGHT = WIDTH < 500 ? 170 : 236;
  const { top, step: rise } = scale(Math.max(...points.map((p) => Math.max(p.value, p.high ?? 0, p.expected ?? 0))));
  const step = (WIDTH - LEFT) / points.length;
  const y = (value) => TOP + HEIGHT * (1 - Math.max(0, value) / top);
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${TOP + HEIGHT + BOTTOM}`, role: "img", "aria-labelledby": "chart-name chart-about" },
    s("title", { id: "chart-name" }, title), s("desc", { id: "chart-about" }, description));
  for (let i = 0; i <= Math.round(top / rise); i += 1) {
    const value = rise * i;
    svg.append(s("line", { class: "rule", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }), s("text", { class: "axis", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, mark(value, top)));
  }
  const gap = step > 6 ? Math.min(4, step * 0.22) : step * 0.12;
  points.forEach((p, i) => {
    const x = LEFT + i * step;
    if (p.high !== undefined) svg.append(s("rect", { class: "band", x, width: step + 0.3, y: y(p.high), height: Math.max(1, y(p.low) - y(p.high)) }));
  });
  points.forEach((p, i) => {
    const x = LEFT + i * step;
    if (p.value > 0) svg.append(s("rect", { class: `bar${p.isRunning ? " running" : ""}`, x: x + gap / 2, width: step - gap, y: y(p.value), height: Math.max(1, y(0) - y(p.value)), rx: Math.min(2, step / 6) }));
    if (p.state) svg.append(s("rect", { class: p.state, x: x + gap / 2, width: step - gap, y: TOP + HEIGHT + 5, height: 5, rx: 1 }));
  });
  let line = "";
  points.forEach((p, i) => {
    if (p.expected === undefined) return;
    const x = LEFT + i * step;
    line += `${line && points[i - 1]?.expected !== undefined ? "L" : "M"}${x.toFixed(1)} ${y(p.expected).toFixed(1)}L${(x + step).toFixed(1)} ${y(p.expected).toFixed(1)}`;
  });
  if (line) svg.append(s("path", { class: "expected", d: line }));
  const every = Math.ceil(points.length / Math.max(3, Math.floor(WIDTH / 100)));
  const everyDay = Math.ceil(points.length / 24 / Math.max(3, Math.floor(WIDTH / 80)));
  let midnights = 0;
  points.forEach((p, i) => {
    const isMidnight = clock(p.start, zone) === "00:00";
    const wanted = isDaily ? i % every === 0 : points.length > 60 ? isMidnight && midnights++ % everyDay === 0 : i % every === 0;
    if (!wanted) return;
    svg.append(s("text", { class: "axis", x: LEFT + i * step, y: TOP + HEIGHT + 28 }, isDaily || points.length > 60 || isMidnight ? day(p.start, zone) : clock(p.start, zone)));
  });

  const readout = h("p", { class: "readout", "aria-live": "polite" });
  const picks = points.map((p, i) => s("rect", { class: "pick", x: LEFT + i * step, width: step, y: TOP, height: HEIGHT + 12 }));
  svg.append(...picks);
  let at = -1;
  const pick = (i) => {
    picks[at]?.classList.remove("is");
    at = Math.max(0, Math.min(points.length - 1, i));
    picks[at].classList.add("is");
    const p = points[at];
    const when = isDaily ? weekday(p.start, zone) : moment(p.start, zone);
    const usual = p.expectedText !== undefined ? ` · expected ${money(p.expectedText, currency)}` : "";
    const band = p.high !== undefined ? ` · ${bandName} ${money(p.lowText, currency)} to ${money(p.highText, currency)}` : "";
    readout.replaceChildren(`${when}${p.isRunning ? " (running)" : ""}: `, h("b", { "data-query": panel, title: exact(p.text, currency) }, money(p.text, currency)), usual, band, p.state ? ` · ${p.state}` : "");
  };
  const box = h("div", { class: "chart", tabindex: "0", role: "group", "data-key": "chart", "aria-label": `${title}. Arrow keys read one value after the other` }, svg);
  svg.addEventListener("pointermove", (event) => {
    const bounds = svg.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) / bounds.width) * WIDTH;
    if (x >= LEFT) pick(Math.floor((x - LEFT) / step));
  });
  box.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    pick(at < 0 ? points.length - 1 : moves[event.key]);
  });
  pick(points.length - 1);
  return [box, readout];
}

export function timeTable({ points, currency, zone, isDaily, bandName, panel }) {
  const hasBand = points.some((p) => p.high !== undefined), hasExpected = points.some((p) => p.expectedText !== undefined);
  const rows = points.toReversed().map((p) => h("tr", {},
    h("td", {}, isDaily ? weekday(p.start, zone) : moment(p.start, zone)),
    h("td", { class: "number" }, h("span", { "data-query": panel, title: exact(p.text, currency), "data-exact": p.text, "data-start": p.start }, money(p.text, currency))),
    hasExpected && h("td", { class: "number" }, p.expectedText === undefined ? "" : money(p.expectedText, currency)),
    hasBand && h("td", { class: "number" }, p.high === undefined ? "" : `${money(p.lowText, currency)} – ${money(p.highText, currency)}`)));
  return h("details", { "data-key": "chart-table" }, h("summary", { "data-key": "chart-summary" }, "As a table"),
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Values of the chart" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "From"), h("th", { scope: "col", class: "number" }, "Spend"), hasExpected && h("th", { scope: "col", class: "number" }, "Expected"), hasBand && h("th", { scope: "col", class: "number" }, bandName))),
      h("tbody", {}, rows))));
}

export const valueOf = size;
