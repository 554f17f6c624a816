// Making elements, showing problems, the dialog with the SQL.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "width%") node.style.width = `${Math.max(0, Math.min(100, value * 100))}%`;
    else if (name === "left%") node.style.left = `${Math.max(0, Math.min(99, value * 100))}%`;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const $ = (id) => document.getElementById(id);

// The queries of every panel's newest answer.
const queries = new Map();
export const remember = (panel, answer) => queries.set(panel, answer.queries ?? []);

// A number that opens the SQL it came from. In tables only the panel's own SQL button takes the keyboard's focus.
export function number(panel, text, title, attributes = {}) {
  return h("button", { type: "button", "data-query": panel, title, ...attributes }, text);
}
export const cellNumber = (panel, text, title) => h("span", { "data-query": panel, title }, text);
export const sqlButton = (panel, of) => h("button", { type: "button", "data-query": panel, "aria-label": `SQL of ${of}` }, "SQL");

// The body of a panel, without losing the focus of a control that is there again.
export function show(id, ...children) {
  const body = document.querySelector(`#${id} > .body`) ?? $(id);
  const key = body.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const opened = new Set([...body.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  body.replaceChildren(...children.flat(3).filter(Boolean));
  for (const details of body.querySelectorAll("details")) details.open = opened.has(details.dataset.key);
  if (key) [...body.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key)?.focus();
}
export function tools(id, ...children) {
  document.querySelector(`#${id} > header .tools`)?.replaceChildren(...children.filter(Boolean));
}
export function problem(error) {
  const p = error.problem;
  if (!p) return h("p", { class: "problem" }, `The service does not answer: ${error.message}`);
  return h("p", { class: "problem" }, h("b", {}, p.title), `: ${p.detail}. `, h("span", { class: "soft" }, `${p.remedy}. `), h("code", {}, p.code));
}

// Settings can stand before a query in every client of ClickHouse, so that its parameters need not be put in by hand.
function runnable(query) {
  const quote = (value) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const sets = Object.entries(query.parameters).map(([name, value]) => `SET param_${name} = ${quote(value)};`);
  return [...sets, `${query.sql};`].join("\n");
}

export function showSql(panel) {
  const dialog = $("sql-dialog");
  const found = queries.get(panel) ?? [];
  const blocks = found.map((query) => {
    const text = runnable(query);
    const copied = h("span", { role: "status", class: "soft" });
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(text);
        copied.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        copied.textContent = "Selected: copy with Ctrl-C";
      }
    };
    const code = h("pre", { tabindex: "0", "aria-label": `Query ${query.name}` }, text);
    return [h("h3", {}, query.name), code, h("p", { class: "actions" }, h("button", { type: "button", class: "press", onclick: copy }, "Copy"), copied)];
  });
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "sql-title" }, "The SQL behind it"), h("button", { type: "button", class: "press", onclick: () => dialog.close() }, "Close")),
    h("p", { class: "soft" }, "For clickhouse-client or any other client with sessions. Amounts are exact decimals there too."),
    ...(blocks.length ? blocks.flat() : [h("p", { class: "empty" }, "Nothing has been asked here yet.")]),
  );
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const asked = event.target.closest("[data-query]");
  if (asked) showSql(asked.dataset.query);
});
// A click beside a dialog closes it.
for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
