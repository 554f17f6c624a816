#!/usr/bin/env python3
"""Writes the dashboards: grafana/dashboards/*.json (folder "Cost Rhythm") and grafana/operations/*.json.

    grafana/build.py           writes the files
    grafana/build.py --check   exit 1 if a file is not what this program writes

One place for what every panel needs (unit, description, data source), so that the files cannot drift apart. Amounts are Decimals in ClickHouse and
become floating point here, for display only.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
CLICKHOUSE = {"type": "grafana-clickhouse-datasource", "uid": "cost-rhythm-clickhouse"}
PROMETHEUS = {"type": "prometheus", "uid": "cost-rhythm-prometheus"}

# ---------------------------------------------------------------------------------------------- pieces of SQL

RANGE = "$__timeFilter(window_start)"


def amount(expression, name):
    """A sum for display: unknown when one part of it has no exchange rate."""
    return f"if(countIf({expression} IS NULL) > 0, NULL, toFloat64(sum({expression}))) AS {name}"


def spend(granularity, grouping_set):
    return f"cost_rhythm.spend(granularity = '{granularity}', set = '{grouping_set}', currency = '${{currency}}')"


def spend_of(granularity):
    return f"cost_rhythm.spend_of(granularity = '{granularity}', scope = ${{scope:sqlstring}}, currency = '${{currency}}')"


def named(column):
    return f"if({column} = '', '(none)', {column})"


MODEL = "concat(if(value = '', '(none)', value), ' / ', if(second_value = '', '(none)', second_value))"
TOKENS = "uncached_input_tokens + cache_read_tokens + cache_write_tokens + output_tokens + reasoning_tokens"

# Grafana takes a panel's unit from this query (transformation "Config from query results"), because a unit cannot be a variable.
NO_DECIMALS = "'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'"
UNIT = f"""SELECT
    transform('${{currency}}', ['USD', 'EUR', 'GBP', 'JPY', 'KRW', 'CNY'], ['currencyUSD', 'currencyEUR', 'currencyGBP', 'currencyJPY', 'currencyKRW', 'currency:CN¥ '], concat('currency:', '${{currency}}', ' ')) AS unit,
    if('${{currency}}' IN ({NO_DECIMALS}), 0, DECIMALS) AS decimals
FROM cost_rhythm.business_time"""

# ---------------------------------------------------------------------------------------------- panels


def sql_target(sql, ref="A", series=False):
    return {
        "refId": ref, "datasource": CLICKHOUSE, "editorType": "sql", "queryType": "timeseries" if series else "table",
        "format": 0 if series else 1, "rawSql": sql,
    }


def steps(*pairs):
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in pairs]}


BLUE = steps(("blue", None))


class Dashboard:
    def __init__(self, uid, title, description, hours=24, variables=(), folder="dashboards"):
        self.uid, self.title, self.description, self.hours, self.folder = uid, title, description, hours, folder
        self.variables, self.panels, self.x, self.y, self.row_height = variables, [], 0, 0, 0

    def place(self, width, height):
        if self.x + width > 24:
            self.x, self.y, self.row_height = 0, self.y + self.row_height, 0
        place = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.x += width
        self.row_height = max(self.row_height, height)
        return place

    def panel(self, kind, title, description, targets, unit, size, options, thresholds=BLUE, decimals=None, custom=None, overrides=(), money=None,
              minimum=None, maximum=None, mappings=(), links=()):
        """`money`: columns (a regular expression) in the currency of the variable; their unit comes from a query."""
        defaults = {"unit": unit, "color": {"mode": "palette-classic" if kind == "timeseries" else "thresholds"}, "thresholds": thresholds, "mappings": list(mappings)}
        if decimals is not None:
            defaults["decimals"] = decimals
        if custom:
            defaults["custom"] = custom
        if minimum is not None:
            defaults["min"] = minimum
        if maximum is not None:
            defaults["max"] = maximum
        if links:
            defaults["links"] = list(links)
        panel = {
            "id": len(self.panels) + 1, "type": kind, "title": title, "description": description, "datasource": targets[0]["datasource"],
            "gridPos": self.place(*size), "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options, "targets": targets,
        }
        if money:
            panel["targets"].append(sql_target(UNIT.replace("DECIMALS", str(2 if decimals is None else decimals)), "unit"))
            panel["transformations"] = [{
                "id": "configFromData",
                "options": {
                    "configRefId": "unit", "applyTo": {"id": "byRegexp", "options": money} if money != "all" else {"id": "byType", "options": "number"},
                    "mappings": [{"fieldName": "unit", "handlerKey": "unit"}, {"fieldName": "decimals", "handlerKey": "decimals"}],
                },
            }]
        self.panels.append(panel)

    def stat(self, title, description, sql, unit="short", size=(4, 4), thresholds=BLUE, decimals=None, money=False, mappings=(), graph="none", targets=None):
        rows = {"reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""}, "colorMode": "value", "graphMode": graph, "textMode": "auto",
                "justifyMode": "auto", "orientation": "auto"}
        self.panel("stat", title, description, targets or [sql_target(sql)], unit, size, rows, thresholds, decimals, money="all" if money else None, mappings=mappings)

    def series(self, title, description, sql, unit="short", size=(12, 8), money=False, bars=False, stacked=False, limits=None, decimals=None, maximum=None,
               targets=None, overrides=(), legend="list"):
        custom = {"drawStyle": "bars" if bars else "line", "fillOpacity": 70 if bars else 10, "lineWidth": 1, "showPoints": "never", "spanNulls": False,
                  "stacking": {"mode": "normal" if stacked else "none", "group": "A"}}
        if bars:
            custom["barAlignment"] = 1
        if limits:
            custom["thresholdsStyle"] = {"mode": "line"}
        options = {"legend": {"displayMode": legend, "placement": "right" if stacked else "bottom", "calcs": ["sum"] if stacked else []},
                   "tooltip": {"mode": "multi", "sort": "desc"}}
        self.panel("timeseries", title, description, targets or [sql_target(sql, series=True)], unit, size, options, limits or BLUE, decimals, custom,
                   money="all" if money else None, minimum=0 if bars or limits else None, maximum=maximum, overrides=overrides)

    def table(self, title, description, sql, size=(24, 9), money=None, units=(), decimals=None, links=()):
        overrides = [
            {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}, *([{"id": "decimals", "value": places}] if places is not None else [])]}
            for name, unit, places in units
        ]
        for name, url in links:
            overrides.append({"matcher": {"id": "byName", "options": name}, "properties": [{"id": "links", "value": [{"title": "Show", "url": url}]}]})
        options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
        self.panel("table", title, description, [sql_target(sql)], "short", size, options, decimals=decimals, overrides=overrides, money=money)

    def bars(self, title, description, sql, unit="short", size=(12, 8), money=False, thresholds=BLUE, maximum=None, decimals=None):
        options = {"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color",
                   "reduceOptions": {"values": True, "calcs": [], "fields": "", "limit": 25}}
        self.panel("bargauge", title, description, [sql_target(sql)], unit, size, options, thresholds, decimals, money="all" if money else None, minimum=0, maximum=maximum)

    def json(self):
        return {
            "uid": self.uid, "title": self.title, "description": self.description, "tags": ["cost-rhythm"], "timezone": "browser", "schemaVersion": 41, "version": 1,
            "editable": False, "graphTooltip": 1, "refresh": "30s", "time": {"from": f"now-{self.hours}h", "to": "now"}, "fiscalYearStartMonth": 0,
            "annotations": {"list": []}, "templating": {"list": [VARIABLES[name] for name in self.variables]},
            "links": [{"type": "dashboards", "title": "Cost Rhythm", "tags": ["cost-rhythm"], "asDropdown": False, "includeVars": True, "keepTime": True,
                       "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
            "panels": self.panels,
        }


def query_variable(name, label, description, sql, value):
    return {"name": name, "label": label, "description": description, "type": "query", "datasource": CLICKHOUSE, "query": sql, "definition": sql, "refresh": 2, "regex": "",
            "sort": 0, "multi": False, "includeAll": False, "hide": 0, "skipUrlSync": False, "options": [], "current": {"text": value, "value": value, "selected": True}}


ZONES = ["UTC", "Asia/Seoul", "Asia/Tokyo", "Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles"]
VARIABLES = {
    "currency": query_variable("currency", "Currency", "Every currency that has an exchange rate; amounts are converted by the rate at their window's start.",
        "SELECT DISTINCT currency FROM cost_rhythm.exchange_rates ORDER BY currency != 'USD', currency", "USD"),
    "scope": query_variable("scope", "Scope", "All spend, or that of one value of a grouping set; the 300 dearest of the last 30 days.",
        "SELECT scope FROM cost_rhythm.scopes ORDER BY scope != 'total', cost DESC, scope LIMIT 300", "total"),
    "budget": query_variable("budget", "Budget", "Every budget whose period's end is projected; a budget by user or team is projected as a whole only where it has no scope.",
        "SELECT DISTINCT budget FROM cost_rhythm.budget_pace WHERE scope = '' ORDER BY budget LIMIT 300", "llm-monthly"),
    "zone": {"name": "zone", "label": "Zone", "description": "Time zone whose days are shown. Budgets and months go by windows.time_zone of the configuration.", "type": "custom",
             "query": ",".join(ZONES), "multi": False, "includeAll": False, "hide": 0, "skipUrlSync": False, "allowCustomValue": True,
             "options": [{"text": zone, "value": zone, "selected": zone == "UTC"} for zone in ZONES], "current": {"text": "UTC", "value": "UTC", "selected": True}},
}


def top_ten(grouping_set, name, expression=None):
    """Hourly spend of the ten dearest values of the range, and the rest together."""
    expression = expression or named("value")
    source = spend("hour", grouping_set)
    return f"""SELECT
    window_start AS time,
    if((value, second_value) IN (
        SELECT (value, second_value)
        FROM {source}
        WHERE {RANGE}
        GROUP BY value, second_value
        ORDER BY sum(cost) DESC, value, second_value
        LIMIT 10
    ), {expression}, 'all others') AS {name},
    {amount("cost", "spend")}
FROM {source}
WHERE {RANGE}
GROUP BY time, {name}
ORDER BY time, {name}"""


# Of every budget over all its spend, as the newest closed hour of a period that runs at the end of the selected range left it.
NEWEST_PACE = """FROM (
    SELECT * FROM cost_rhythm.budget_pace
    WHERE scope = '' AND hour <= $__toTime AND period_end > $__toTime
    ORDER BY hour DESC
    LIMIT 1 BY budget
)"""


def spend_dashboard():
    d = Dashboard("cost-rhythm-spend", "Spend", "What is spent, on what, and how far the budgets are.", variables=("scope", "currency", "zone"))
    d.stat("Month to date", "Spend of the chosen scope in the running business month. Priced events only: what has no price is counted under 'Unpriced events'.",
           "SELECT toFloat64(spent) AS spent\nFROM cost_rhythm.month_forecast(scope = ${scope:sqlstring}, currency = '${currency}')", "currencyUSD", money=True)
    d.stat("End of month", "Where the chosen scope's business month ends: what is spent plus an average day of the last 14 for each remaining one. The range is on the dashboard 'Rhythm'.",
           "SELECT toFloat64(`projection`) AS projected\nFROM cost_rhythm.month_forecast(scope = ${scope:sqlstring}, currency = '${currency}')", "currencyUSD", money=True)
    d.stat("Cost rate", "Spend per hour of the chosen scope: the four newest quarter hours within the selected range.",
           f"SELECT {amount('cost', 'rate')}\nFROM {spend_of('quarter_hour')}\nWHERE window_start > $__toTime - INTERVAL 1 HOUR AND window_start <= $__toTime", "currencyUSD", money=True)
    d.stat("Calls", "LLM calls of the chosen scope in the selected range.", f"SELECT sum(calls) AS calls\nFROM {spend_of('hour')}\nWHERE {RANGE}")
    d.stat("Failed calls", "Share of the chosen scope's calls whose status is given and is not 'ok'.",
           f"SELECT sum(errors) / nullIf(sum(calls), 0) AS failed\nFROM {spend_of('hour')}\nWHERE {RANGE}", "percentunit", decimals=2,
           thresholds=steps(("green", None), ("orange", 0.02), ("red", 0.1)))
    d.stat("Unpriced events", "Events with no price in the book, no exchange rate or no token counts. They cost something, but are not part of any amount on this page.",
           f"SELECT sum(unpriced_events) AS unpriced\nFROM {spend_of('hour')}\nWHERE {RANGE}", thresholds=steps(("green", None), ("orange", 1)))
    d.bars("Month to date against budget", "Monthly budgets over all their spend: the share of the limit that is spent. Reached at 100 %.",
           "SELECT budget, ratio\nFROM cost_rhythm.budget_forecast\nWHERE scope = '' AND dateDiff('day', period_start, period_end) >= 28 AND ratio IS NOT NULL\nORDER BY ratio DESC, budget\nLIMIT 12",
           "percentunit", (8, 9), thresholds=steps(("green", None), ("orange", 0.8), ("red", 1)), maximum=1, decimals=1)
    d.series("Spend by hour", "Spend of the chosen scope by hour (UTC). The running hour is still growing, and late events correct earlier ones.",
             f"SELECT window_start AS time, {amount('cost', 'spend')}\nFROM {spend_of('hour')}\nWHERE {RANGE}\nGROUP BY time\nORDER BY time", "currencyUSD", (16, 9), True, bars=True)
    d.series("Spend by day", "Spend of the chosen scope by day of the chosen time zone, made of quarter hours, so that zones of a half or quarter hour are right too.",
             f"SELECT toDateTime(toStartOfDay(window_start, '${{zone}}'), 'UTC') AS time, {amount('cost', 'spend')}\nFROM {spend_of('quarter_hour')}\nWHERE {RANGE}\nGROUP BY time\nORDER BY time",
             "currencyUSD", (12, 8), True, bars=True)
    d.series("Spend by provider", "Spend by hour (UTC) and provider: the ten dearest of the range, and the rest together.", top_ten("provider", "provider"), "currencyUSD", (12, 8), True, True, True, legend="table")
    d.series("Spend by model", "Spend by hour (UTC), provider and model: the ten dearest of the range, and the rest together.", top_ten("model", "model", MODEL), "currencyUSD", (12, 8), True, True, True, legend="table")
    d.series("Spend by feature", "Spend by hour (UTC) and feature: the ten dearest of the range, and the rest together.", top_ten("feature", "feature"), "currencyUSD", (12, 8), True, True, True, legend="table")
    d.series("Spend by team", "Spend by hour (UTC) and team: the ten dearest of the range, and the rest together.", top_ten("team", "team"), "currencyUSD", (12, 8), True, True, True, legend="table")
    d.table("Top 10 users", "The ten dearest users of the business month that the selected range ends in.", f"""SELECT
    {named("user_id")} AS `User`,
    toFloat64(cost) AS `Spend`,
    calls AS `Calls`,
    toFloat64(cost_per_call) AS `Per call`,
    toFloat64(tokens) AS `Tokens`
FROM cost_rhythm.user_monthly_cost_in(currency = '${{currency}}')
WHERE window_start = (SELECT max(window_start) FROM cost_rhythm.monthly_total WHERE window_start <= $__toTime)
ORDER BY cost DESC, user_id
LIMIT 10""", (12, 8), "Spend|Per call")
    d.table("Cost per call by route", "Every route's calls in the selected range and what one of them cost on average.", f"""SELECT
    {named("value")} AS `Route`,
    {amount("cost", "`Spend`")},
    sum(calls) AS `Calls`,
    `Spend` / nullIf(`Calls`, 0) AS `Per call`,
    sum(errors) / nullIf(sum(calls), 0) AS `Failed`
FROM {spend("hour", "route")}
WHERE {RANGE}
GROUP BY value
ORDER BY `Per call` DESC, value
LIMIT 100""", (12, 9), "Spend|Per call", (("Failed", "percentunit", 2),), 4)
    d.bars("Calls by model", "LLM calls of the selected range by provider and model.",
           f"SELECT {MODEL} AS model, sum(calls) AS calls\nFROM {spend('hour', 'model')}\nWHERE {RANGE}\nGROUP BY model\nHAVING calls > 0\nORDER BY calls DESC, model\nLIMIT 20", size=(12, 9))
    d.bars("Tokens by model", "Tokens of the selected range by provider and model, all five kinds together.",
           f"SELECT {MODEL} AS model, toFloat64(sum({TOKENS})) AS tokens\nFROM {spend('hour', 'model')}\nWHERE {RANGE}\nGROUP BY model\nHAVING tokens > 0\nORDER BY tokens DESC, model\nLIMIT 20", size=(12, 9))
    d.bars("Projection against budget", "Where the running period of every budget over all its spend will end, as a share of the limit: the forecast by time of day and day of week. Exceeded at 100 %.",
           f"SELECT budget, forecast_ratio\n{NEWEST_PACE}\nWHERE forecast_ratio IS NOT NULL\nORDER BY forecast_ratio DESC, budget\nLIMIT 12",
           "percentunit", (8, 9), thresholds=steps(("green", None), ("orange", 0.8), ("red", 1)), decimals=1)
    d.table("Budgets and where they end", "Budgets over all their spend in the period that runs at the end of the selected range, in their own currency, as the newest closed hour left them: forecast with the range that holds 80 % of outcomes, the straight line beside it, and when the limit is reached.", f"""SELECT
    budget AS `Budget`,
    period AS `Period`,
    currency AS `Currency`,
    toFloat64(spent) AS `Spent`,
    toFloat64(`limit`) AS `Limit`,
    toFloat64(forecast) AS `Ends at`,
    toFloat64(low) AS `Low`,
    toFloat64(high) AS `High`,
    toFloat64(straight_line) AS `Straight line`,
    forecast_ratio AS `Of the limit`,
    exceeded_at AS `Exceeded at`,
    action AS `Action`
{NEWEST_PACE}
ORDER BY forecast_ratio DESC, budget
LIMIT 200""", (16, 9), None, (*((name, "locale", None) for name in ("Spent", "Limit", "Ends at", "Low", "High", "Straight line")), ("Of the limit", "percentunit", 1)))
    d.table("Budgets", "Every budget in its newest period, in its own currency. 'Ends at' is the straight line to the period's end; 'Reached on' is when that line meets the limit.", """SELECT
    budget AS `Budget`,
    scope AS `Scope`,
    period AS `Period`,
    currency AS `Currency`,
    toFloat64(spent) AS `Spent`,
    toFloat64(`limit`) AS `Limit`,
    ratio AS `Used`,
    elapsed_ratio AS `Elapsed`,
    toFloat64(`projection`) AS `Ends at`,
    exceeded_at AS `Reached on`,
    level AS `Level`
FROM cost_rhythm.budget_forecast
ORDER BY ratio DESC, budget, scope
LIMIT 200""", (24, 10), None, (("Spent", "locale", 2), ("Limit", "locale", 2), ("Ends at", "locale", 2), ("Used", "percentunit", 1), ("Elapsed", "percentunit", 1)))
    return d


def features_dashboard():
    d = Dashboard("cost-rhythm-features", "Features and margin", "What every feature costs and brings in.", 24 * 7, ("currency",))
    features = spend("hour", "feature")
    total = spend("hour", "total")
    d.stat("Revenue", "Revenue of the selected range, as the events say it.", f"SELECT {amount('revenue', 'revenue')}\nFROM {total}\nWHERE {RANGE}", "currencyUSD", (6, 4), money=True)
    d.stat("Spend", "Spend of the selected range.", f"SELECT {amount('cost', 'spend')}\nFROM {total}\nWHERE {RANGE}", "currencyUSD", (6, 4), money=True)
    d.stat("Margin", "Revenue less spend of the selected range.", f"SELECT {amount('revenue - cost', 'margin')}\nFROM {total}\nWHERE {RANGE}", "currencyUSD", (6, 4), steps(("red", None), ("green", 0)), money=True)
    d.stat("Margin ratio", "Margin as a share of revenue; empty without revenue.", f"SELECT toFloat64(sum(revenue - cost)) / nullIf(toFloat64(sum(revenue)), 0) AS ratio\nFROM {total}\nWHERE {RANGE}",
           "percentunit", (6, 4), steps(("red", None), ("orange", 0), ("green", 0.3)), 1)
    d.table("Margin per feature", "Revenue, spend and margin of every feature in the selected range, in all and for each call.", f"""SELECT
    {named("value")} AS `Feature`,
    {amount("revenue", "`Revenue`")},
    {amount("cost", "`Spend`")},
    {amount("revenue - cost", "`Margin`")},
    `Margin` / nullIf(`Revenue`, 0) AS `Margin ratio`,
    sum(calls) AS `Calls`,
    `Revenue` / nullIf(`Calls`, 0) AS `Revenue per call`,
    `Spend` / nullIf(`Calls`, 0) AS `Spend per call`,
    sum(unpriced_events) AS `Unpriced`
FROM {features}
WHERE {RANGE}
GROUP BY value
ORDER BY `Margin`, value
LIMIT 200""", (24, 9), "^(Revenue|Spend|Margin|Revenue per call|Spend per call)$", (("Margin ratio", "percentunit", 1),))
    d.bars("Average cost per call by feature", "Spend of the selected range divided by the feature's calls.",
           f"SELECT {named('value')} AS feature, if(countIf(cost IS NULL) > 0, NULL, toFloat64(sum(cost)) / sum(calls)) AS per_call\nFROM {features}\nWHERE {RANGE}\nGROUP BY value\nHAVING sum(calls) > 0\nORDER BY per_call DESC, feature\nLIMIT 25",
           "currencyUSD", (12, 9), True, decimals=4)
    d.series("Margin by feature and day", "Revenue less spend by day (UTC) and feature: the ten with the largest spend of the range.", f"""SELECT
    toStartOfDay(window_start) AS time,
    {named("value")} AS feature,
    {amount("revenue - cost", "margin")}
FROM {features}
WHERE {RANGE} AND value IN (SELECT value FROM {features} WHERE {RANGE} GROUP BY value ORDER BY sum(cost) DESC, value LIMIT 10)
GROUP BY time, value
ORDER BY time, feature""", "currencyUSD", (12, 9), True)
    d.series("Revenue and spend by hour", "Both of the whole by hour (UTC).", f"SELECT window_start AS time, {amount('revenue', 'revenue')}, {amount('cost', 'spend')}\nFROM {total}\nWHERE {RANGE}\nGROUP BY time\nORDER BY time",
             "currencyUSD", (24, 8), True)
    return d


def models_dashboard():
    d = Dashboard("cost-rhythm-models", "Models compared", "Failures, latency and cost of every model.", 24 * 7, ("currency",))
    models = spend("hour", "model")
    d.table("Models", "Every model of the selected range. Latency is a mean and a maximum: rollups keep no percentiles.", f"""SELECT
    {named("value")} AS `Provider`,
    {named("second_value")} AS `Model`,
    sum(calls) AS `Calls`,
    sum(errors) / nullIf(sum(calls), 0) AS `Failed`,
    toFloat64(sum(latency_ms_sum)) / nullIf(sum(latency_count), 0) AS `Mean latency`,
    max(latency_ms_max) AS `Longest`,
    toFloat64(sum({TOKENS})) / nullIf(sum(calls), 0) AS `Tokens per call`,
    {amount("cost", "`Spend`")},
    `Spend` / nullIf(`Calls`, 0) AS `Spend per call`,
    `Spend` * 1000000 / nullIf(toFloat64(sum({TOKENS})), 0) AS `Spend per million tokens`,
    sum(unpriced_events) AS `Unpriced`
FROM {models}
WHERE {RANGE}
GROUP BY value, second_value
HAVING `Calls` > 0
ORDER BY `Spend` DESC, value, second_value
LIMIT 200""", (24, 10), "^Spend", (("Failed", "percentunit", 2), ("Mean latency", "ms", 0), ("Longest", "ms", 0), ("Tokens per call", "short", 0)), 4)

    def by_hour(title, description, expression, unit, money=False, decimals=None):
        d.series(title, description, f"""SELECT
    window_start AS time,
    {MODEL} AS model,
    {expression}
FROM {models}
WHERE {RANGE} AND calls > 0 AND (value, second_value) IN (
    SELECT (value, second_value) FROM {models} WHERE {RANGE} GROUP BY value, second_value ORDER BY sum(calls) DESC, value, second_value LIMIT 10
)
GROUP BY time, model
ORDER BY time, model""", unit, (12, 9), money, decimals=decimals)

    by_hour("Failure rate", "Share of calls that failed, by hour (UTC): the ten models with the most calls.", "sum(errors) / sum(calls) AS failed", "percentunit")
    by_hour("Mean latency", "Mean latency by hour (UTC): the ten models with the most calls.", "toFloat64(sum(latency_ms_sum)) / nullIf(sum(latency_count), 0) AS latency", "ms")
    by_hour("Spend per call", "Spend divided by calls, by hour (UTC): the ten models with the most calls.", "if(countIf(cost IS NULL) > 0, NULL, toFloat64(sum(cost)) / sum(calls)) AS per_call", "currencyUSD", True, 4)
    by_hour("Tokens per call", "Tokens of all kinds divided by calls, by hour (UTC): the ten models with the most calls.", f"toFloat64(sum({TOKENS})) / sum(calls) AS tokens", "short")
    return d


STATES = [{"type": "value", "options": {
    "RESONANT": {"color": "green", "index": 0}, "DISSONANT": {"color": "orange", "index": 1}, "CHAOTIC": {"color": "red", "index": 2},
    "LEARNING": {"color": "blue", "index": 3}, "IDLE": {"color": "gray", "index": 4},
}}]


ACTIONS = [{"type": "value", "options": {
    "NONE": {"color": "green", "index": 0}, "SCALE_DOWN": {"color": "yellow", "index": 1}, "ROLLBACK": {"color": "orange", "index": 2}, "EMERGENCY_STOP": {"color": "red", "index": 3},
}}]


def rhythm_dashboard():
    d = Dashboard("cost-rhythm-rhythm", "Rhythm", "Is the spend steady, drifting or chaotic, and where does it lead?", 24 * 14, ("scope", "currency", "budget"))
    latest = "FROM cost_rhythm.rhythm\nWHERE scope = ${scope:sqlstring} AND hour <= $__toTime\nORDER BY hour DESC\nLIMIT 1"
    d.stat("State", "The chosen scope's rhythm at the end of the selected range.", f"SELECT state\n{latest}", "string", (6, 5), mappings=STATES)
    for title, column, good, text in (
        ("Coherence", "coherence", 0.7, "Share of the money that came as expected. Good from 0.7."),
        ("Phase", "phase", 0.8, "Does it come at its usual time of day and week, and on budget pace? Good from 0.8."),
    ):
        d.stat(f"{title} now", text, f"SELECT {column}\n{latest}", "percentunit", (6, 5), steps(("red", None), ("green", good)), 2)
    d.stat("Entropy now", "How unpredictable is the deviation? Good up to 0.5.", f"SELECT entropy\n{latest}", "percentunit", (6, 5), steps(("green", None), ("red", 0.500001)), 2)
    for title, column, limits, text in (
        ("Coherence", "coherence", steps(("red", None), ("green", 0.7)), "Share of the money that came as expected, by hour. The line is its limit, 0.7: good above."),
        ("Phase", "phase", steps(("red", None), ("green", 0.8)), "Is the spend at its usual time, by hour. The line is its limit, 0.8: good above."),
        ("Entropy", "entropy", steps(("green", None), ("red", 0.5)), "How unpredictable the deviation is, by hour. The line is its limit, 0.5: good below."),
    ):
        d.series(title, text, f"SELECT hour AS time, {column}\nFROM cost_rhythm.rhythm\nWHERE scope = ${{scope:sqlstring}} AND $__timeFilter(hour)\nORDER BY time", "percentunit", (8, 7), limits=limits, maximum=1)
    d.panel("state-timeline", "States", "The state of the twenty scopes that were out of rhythm longest in the selected range.", [sql_target("""SELECT hour AS time, scope, state
FROM cost_rhythm.rhythm
WHERE $__timeFilter(hour) AND scope IN (
    SELECT scope FROM cost_rhythm.rhythm WHERE $__timeFilter(hour) GROUP BY scope ORDER BY countIf(state_code < 2) DESC, scope LIMIT 20
)
ORDER BY time, scope""", series=True)], "string", (24, 8), {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "single", "sort": "none"}}, mappings=STATES, custom={"fillOpacity": 80, "lineWidth": 0})
    d.series("Spend against expectation", "What the chosen scope spent by hour and what was expected of that hour, in USD.",
             "SELECT hour AS time, toFloat64(actual) AS spent, toFloat64(expected) AS expected\nFROM cost_rhythm.rhythm\nWHERE scope = ${scope:sqlstring} AND $__timeFilter(hour)\nORDER BY time", "currencyUSD", (12, 8))
    d.series("Budget trend", "Budgets over all their spend: the share of the limit that each period ended with; the newest is still running. The line is the limit.",
             "SELECT period_start AS time, budget, ratio\nFROM cost_rhythm.budgets\nWHERE scope = '' AND $__timeFilter(period_start) AND dateDiff('hour', period_start, period_end) > 1\nORDER BY time, budget",
             "percentunit", (12, 8), limits=steps(("green", None), ("red", 1)))
    d.series("Forecast of the budget", "The chosen budget, hour by hour, in its own currency: what is spent, where the period ends with the range that holds 80 % of outcomes, the straight line, and the limit. Each period begins anew.",
             "SELECT hour AS time, toFloat64(spent) AS spent, toFloat64(low) AS low, toFloat64(forecast) AS forecast, toFloat64(high) AS high, toFloat64(straight_line) AS `straight line`, toFloat64(`limit`) AS `limit`\nFROM cost_rhythm.budget_pace\nWHERE budget = ${budget:sqlstring} AND scope = '' AND $__timeFilter(hour)\nORDER BY time",
             "locale", (12, 9))
    d.series("Projection of the budgets", "Budgets over all their spend: the forecast of the period's end as a share of the limit, hour by hour; the twelve highest of the range. The line is the limit.",
             """SELECT hour AS time, budget, forecast_ratio
FROM cost_rhythm.budget_pace
WHERE scope = '' AND $__timeFilter(hour) AND budget IN (
    SELECT budget FROM cost_rhythm.budget_pace WHERE scope = '' AND $__timeFilter(hour) GROUP BY budget ORDER BY max(forecast_ratio) DESC, budget LIMIT 12
)
ORDER BY time, budget""", "percentunit", (12, 9), limits=steps(("green", None), ("red", 1)))
    d.panel("state-timeline", "Recommended action", "What is recommended for every budget over all its spend, hour by hour: by where its period will end, its rhythm and its gate score. Every action needs approval.", [sql_target("""SELECT hour AS time, budget, action
FROM cost_rhythm.budget_pace
WHERE scope = '' AND $__timeFilter(hour) AND budget IN (
    SELECT budget FROM cost_rhythm.budget_pace WHERE scope = '' AND $__timeFilter(hour) GROUP BY budget ORDER BY countIf(action != 'NONE') DESC, budget LIMIT 20
)
ORDER BY time, budget""", series=True)], "string", (24, 8), {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "single", "sort": "none"}}, mappings=ACTIONS, custom={"fillOpacity": 80, "lineWidth": 0})
    d.table("Actions and their reasons", "Budgets over all their spend in the period that runs at the end of the selected range: the recommended action with its confidence, and what it rests on. The gate score (0 to 100) joins ROI, SLO compliance and age.", f"""SELECT
    budget AS `Budget`,
    action AS `Action`,
    confidence AS `Confidence`,
    state AS `Rhythm`,
    forecast_ratio AS `Of the limit`,
    exceeded_at AS `Exceeded at`,
    gate_score AS `Gate score`,
    roi AS `ROI`,
    slo AS `SLO`,
    age_days AS `Age, days`
{NEWEST_PACE}
ORDER BY action != 'NONE' DESC, forecast_ratio DESC, budget
LIMIT 200""", (24, 8), None, (("Confidence", "percentunit", 0), ("Of the limit", "percentunit", 1), ("Gate score", "short", 1), ("ROI", "percentunit", 0), ("SLO", "percentunit", 2), ("Age, days", "short", 1)))
    d.table("Forecast of the month", "Where the chosen scope's business month ends: spent so far plus the average, a cheap (10 %) and a dear (90 %) day of the last 14 for every remaining day.", """SELECT
    month_start AS `Month from`,
    remaining_days AS `Days left`,
    days_known AS `Days known`,
    toFloat64(spent) AS `Spent`,
    toFloat64(projection_low) AS `Low`,
    toFloat64(`projection`) AS `Expected`,
    toFloat64(projection_high) AS `High`
FROM cost_rhythm.month_forecast(scope = ${scope:sqlstring}, currency = '${currency}')""", (24, 4), "^(Spent|Low|Expected|High)$")
    return d


def alerts_dashboard():
    d = Dashboard("cost-rhythm-alerts", "Alerts", "What was fired, escalated and resolved.", 24 * 7)
    in_range = "$__timeFilter(occurred_at)"
    d.stat("Alerts", "Alert events of the selected range, all states.", f"SELECT count() AS alerts\nFROM cost_rhythm.alerts\nWHERE {in_range}", size=(6, 4))
    d.stat("Critical or worse", "Fired or escalated to critical or emergency in the selected range.",
           f"SELECT count() AS alerts\nFROM cost_rhythm.alerts\nWHERE {in_range} AND level IN ('critical', 'emergency') AND state IN ('fired', 'escalated')", size=(6, 4), thresholds=steps(("green", None), ("red", 1)))
    d.stat("Open", "Rule, scope and period whose newest event up to the end of the selected range is fired or escalated.", """SELECT countIf(newest IN ('fired', 'escalated')) AS open
FROM (
    SELECT argMax(state, (occurred_at, level)) AS newest
    FROM cost_rhythm.alerts
    WHERE occurred_at <= $__toTime
    GROUP BY rule, scope, period
)""", size=(6, 4), thresholds=steps(("green", None), ("orange", 1)))
    d.stat("Rules", "Different rules that said something in the selected range.", f"SELECT uniqExact(rule) AS rules\nFROM cost_rhythm.alerts\nWHERE {in_range}", size=(6, 4))
    d.series("By level", "Fired and escalated by hour of the event time (UTC) and level.",
             f"SELECT toStartOfHour(occurred_at) AS time, level, count() AS alerts\nFROM cost_rhythm.alerts\nWHERE {in_range} AND state IN ('fired', 'escalated')\nGROUP BY time, level\nORDER BY time, level", size=(12, 8), bars=True, stacked=True)
    d.bars("By rule", "Fired and escalated of the selected range by rule.",
           f"SELECT rule, count() AS alerts\nFROM cost_rhythm.alerts\nWHERE {in_range} AND state IN ('fired', 'escalated')\nGROUP BY rule\nORDER BY alerts DESC, rule\nLIMIT 25")
    d.table("Alert log", "Every alert event of the selected range, the newest first (500 at most), in the rule's own currency.", f"""SELECT
    occurred_at AS `Time`,
    level AS `Level`,
    state AS `State`,
    rule AS `Rule`,
    scope AS `Scope`,
    period AS `Period`,
    currency AS `Currency`,
    toFloat64(current) AS `Current`,
    toFloat64(threshold) AS `Threshold`,
    toFloat64(previous) AS `Previous`,
    JSONExtractString(data, 'explanation') AS `Explanation`
FROM cost_rhythm.alerts
WHERE {in_range}
ORDER BY occurred_at DESC, rule, scope, period, state
LIMIT 500""", (24, 16), None, (("Current", "locale", 2), ("Threshold", "locale", 2), ("Previous", "locale", 2)))
    return d


def prom(expression, legend, ref="A"):
    return {"refId": ref, "datasource": PROMETHEUS, "editorMode": "code", "expr": expression, "legendFormat": legend, "range": True, "instant": False}


def pipeline_dashboard():
    d = Dashboard("cost-rhythm-pipeline", "Pipeline health", "Lag, outcomes, watermark, memory, sink and conservation.", 6, folder="operations")
    bad = steps(("green", None), ("red", 1))
    d.stat("Stopped partitions", "Partitions that are stopped or refused and need a person.", None, "none", (4, 4), bad, targets=[prom("sum(cost_rhythm_partition_failed)", "stopped")])
    d.stat("Conservation violated", "Anything but 0 is a defect: an offset of the input is not exactly one of counted, duplicate, conflict, late, rejected or skipped.", None, "none", (4, 4), bad,
           targets=[prom("sum(cost_rhythm_conservation_violated)", "violated")])
    d.stat("Broken invariants", "Anything but 0 is a defect.", None, "none", (4, 4), bad, targets=[prom("sum(cost_rhythm_broken_invariants_total)", "broken")])
    d.stat("Messages behind", "Messages between the positions and the ends of the logs, both stages.", None, "short", (4, 4), steps(("green", None), ("orange", 10000)), targets=[prom("sum(cost_rhythm_lag_messages)", "messages")])
    d.stat("Watermark age", "How far the furthest partition's largest event time is behind the clock.", None, "s", (4, 4), steps(("green", None), ("orange", 900)),
           targets=[prom("time() - max(cost_rhythm_watermark_seconds)", "age")])
    d.stat("Offsets not accounted for", "Offsets of the input that are none of the six outcomes, in the rows of ClickHouse. Anything but 0 is a defect.",
           "SELECT sum(toInt64(offsets_in) - toInt64(counted) - toInt64(duplicate) - toInt64(conflict) - toInt64(late) - toInt64(rejected) - toInt64(skipped)) AS missing\nFROM cost_rhythm.pipeline_accounts",
           "none", (4, 4), steps(("red", None), ("green", 0), ("red", 1)))
    for title, text, unit, targets in (
        ("Lag", "Messages not read yet, by stage and partition.", "short", [prom("cost_rhythm_lag_messages", "{{stage}} {{topic}} {{partition}}")]),
        ("Outcomes", "Input offsets per second by outcome.", "cps", [prom("sum by (outcome) (rate(cost_rhythm_offsets_total[5m]))", "{{outcome}}")]),
        ("Dead letters", "Dead letters per second by reason (docs/REASONS.md).", "cps", [prom("sum by (reason) (rate(cost_rhythm_dead_letters_total[5m]))", "{{reason}}")]),
        ("Watermark", "Age of the largest counted event time, by partition.", "s", [prom("time() - cost_rhythm_watermark_seconds", "{{topic}} {{partition}}")]),
        ("Memory of the state", "Estimated bytes, by stage and partition.", "bytes", [prom("cost_rhythm_memory_bytes", "{{stage}} {{partition}}")]),
        ("Cells, rows and budgets", "What the state holds, all partitions together.", "short", [
            prom("sum(cost_rhythm_cells)", "cells"), prom("sum(cost_rhythm_rows)", "rows", "B"), prom("sum(cost_rhythm_budget_states)", "budget states", "C")]),
        ("Sink latency", "From an insert's first attempt until it was durable in ClickHouse.", "s", [
            prom("histogram_quantile(0.5, sum by (le) (rate(cost_rhythm_sink_latency_seconds_bucket[5m])))", "median"),
            prom("histogram_quantile(0.99, sum by (le) (rate(cost_rhythm_sink_latency_seconds_bucket[5m])))", "99 %", "B")]),
        ("Sink rows", "Rows durable in ClickHouse per second by table, and attempts that were repeated.", "cps", [
            prom("sum by (table) (rate(cost_rhythm_sink_rows_total[5m]))", "{{table}}"), prom("sum(rate(cost_rhythm_sink_retries_total[5m]))", "repeated attempts", "B")]),
        ("Queues", "Batches waiting or under way, by queue.", "short", [prom("sum by (queue) (cost_rhythm_queue_depth)", "{{queue}}")]),
        ("Age of the snapshots", "Time since the last snapshot, by stage and partition.", "s", [prom("time() - cost_rhythm_snapshot_taken_at_seconds", "{{stage}} {{partition}}")]),
    ):
        d.series(title, text, None, unit, (12, 8), targets=targets)
    d.table("Pipeline accounts", "What became of every offset of the input topic, by partition, from the first ever read. It does not depend on the selected range.", """SELECT
    topic AS `Topic`,
    `partition` AS `Partition`,
    offsets_in AS `Offsets in`,
    counted AS `Counted`,
    duplicate AS `Duplicate`,
    conflict AS `Conflict`,
    late AS `Late`,
    rejected AS `Rejected`,
    skipped AS `Skipped`
FROM cost_rhythm.pipeline_accounts
ORDER BY topic, `partition`""", (24, 8), None, (("Partition", "none", 0),))
    return d


def files():
    """Path under grafana/ and content of every dashboard."""
    for dashboard in (spend_dashboard(), features_dashboard(), models_dashboard(), rhythm_dashboard(), alerts_dashboard(), pipeline_dashboard()):
        name = dashboard.uid.removeprefix("cost-rhythm-")
        yield f"{dashboard.folder}/{name}.json", json.dumps(dashboard.json(), indent=2, ensure_ascii=False) + "\n"


def main():
    stale = []
    for name, content in files():
        path = HERE / name
        if not path.is_file() or path.read_text() != content:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
    if "--check" in sys.argv and stale:
        print(f"not what grafana/build.py writes: {', '.join(stale)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
