// Amounts are decimal text and stay so: rounding and grouping work on digits, never on floating point.

const WHOLE = new Set(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]);
const SIGNS = { USD: "$", EUR: "€", GBP: "£", JPY: "¥", KRW: "₩", CNY: "CN¥", INR: "₹" };

// [is negative, digits before the point, digits after it]
function parts(text) {
  const [, sign, whole, fraction = ""] = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  return whole === undefined ? null : [sign === "-", whole.replace(/^0+(?=\d)/, ""), fraction];
}

// Half away from zero, to so many decimals.
export function round(text, decimals) {
  const found = parts(text);
  if (!found) return text;
  const [negative, whole, fraction] = found;
  const digits = BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0")) + (fraction.charAt(decimals) >= "5" ? 1n : 0n);
  const all = digits.toString().padStart(decimals + 1, "0");
  const cut = all.length - decimals;
  const minus = negative && digits !== 0n ? "-" : "";
  return minus + all.slice(0, cut) + (decimals ? "." + all.slice(cut) : "");
}

function group(text) {
  const [whole, fraction] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : "." + fraction);
}

const isZero = (text) => /^[+-]?0*(\.0*)?$/.test(text);

// For people. What would round to nothing shows its first two digits; `null` is an amount without a rate.
export function money(text, currency) {
  if (text === null || text === undefined) return "no rate";
  const base = WHOLE.has(currency) ? 0 : 2;
  let shown = round(text, base);
  if (isZero(shown) && !isZero(text)) {
    const lead = /^[+-]?0*\.(0*)/.exec(text)?.[1].length ?? 0;
    shown = WHOLE.has(currency) ? `${text.startsWith("-") ? "-" : ""}<1` : round(text, Math.min(lead + 2, 18));
  }
  const minus = shown.startsWith("-") ? "−" : "";
  const sign = SIGNS[currency] ?? `${currency} `;
  return `${minus}${sign}${group(shown.replace("-", ""))}`;
}

// A price of one call: two significant digits at least, and no fewer decimals than an amount has.
export function price(text, currency) {
  const lead = /^[+-]?0*\.(0*)/.exec(text)?.[1].length ?? 0;
  const base = WHOLE.has(currency) ? 0 : 2;
  const decimals = isZero(text) || !/^[+-]?0*\./.test(text) ? base : Math.min(Math.max(base, lead + 2), 18);
  const shown = round(text, decimals);
  return `${shown.startsWith("-") ? "−" : ""}${SIGNS[currency] ?? `${currency} `}${group(shown.replace("-", ""))}`;
}

// All its digits.
export const exact = (text, currency) => (text === null || text === undefined ? "an exchange rate is missing" : `${group(text)} ${currency}`);

// For the height of a bar only.
export const size = (text) => (text === null || text === undefined ? 0 : Number(text));

export function percent(ratio, decimals = 0) {
  if (ratio === null || ratio === undefined) return "–";
  const value = ratio * 100;
  return Math.abs(value) >= 10000 ? `${group(String(Math.round(value)))} %` : `${value.toFixed(decimals)} %`;
}

export function change(ratio) {
  if (ratio === null || ratio === undefined) return "new";
  if (Math.abs(ratio) < 0.005) return "±0 %";
  if (ratio >= 99.5) return "over ×100";
  if (ratio >= 9.995) return `×${(ratio + 1).toFixed(0)}`;
  return `${ratio > 0 ? "+" : "−"}${Math.abs(ratio * 100).toFixed(0)} %`;
}

export const count = (number) => group(String(number));

export function age(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} days`;
}

const formats = new Map();
function inZone(instant, zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }));
  return formats.get(key).format(new Date(instant));
}
export const clock = (instant, zone) => inZone(instant, zone, { hour: "2-digit", minute: "2-digit" });
export const day = (instant, zone) => inZone(instant, zone, { day: "numeric", month: "short" });
export const weekday = (instant, zone) => inZone(instant, zone, { weekday: "short", day: "numeric", month: "short" });
export const moment = (instant, zone) => inZone(instant, zone, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const month = (instant, zone) => inZone(instant, zone, { month: "long" });

// Scopes read `team=core`, `provider=openai,model=gpt-4`, with a backslash before , = and \ in values.
export function scopeParts(scope) {
  if (!scope || scope === "total") return [];
  const found = [];
  for (const [, name, value] of scope.matchAll(/([a-z_]+)=((?:\\.|[^,=\\])*)/g)) found.push([name, value.replace(/\\(.)/g, "$1")]);
  return found;
}
export function scopeName(scope) {
  if (!scope || scope === "total") return "All spend";
  if (scope.startsWith("budget:")) return `Budget ${scope.slice(7)}`;
  const pairs = scopeParts(scope);
  return pairs.length ? pairs.map(([name, value]) => `${name.replaceAll("_", " ")} ${value || "(none)"}`).join(" · ") : scope;
}
export const valueName = (value) => (value === "" ? "(none)" : value === "__other__" ? "(others)" : value);
