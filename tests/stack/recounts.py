"""What every panel and every alert rule must return, asked another way: of the events themselves (`usage_event_rows`) and of the rows behind the views,
never of rollups or views. `check_stack.py panels` compares.

Limits: the whole time asked about must have one exchange rate, and no grouping set may be over its limit (`__other__`).
"""

H = "toStartOfHour(toDateTime(occurred_at, 'UTC'))"
Q = "toStartOfFifteenMinutes(toDateTime(occurred_at, 'UTC'))"
E = "DB.usage_event_rows FINAL"
R = f"{H} >= toDateTime(START) AND {H} <= toDateTime(END)"
CALLS = "countIf(kind = 'llm')"
ERRORS = "countIf(kind = 'llm' AND status NOT IN ('', 'ok'))"
UNPRICED = "countIf(cost_status = 'unpriced')"
TOKENS = "sum(uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + output_tokens + reasoning_tokens)"
COST = "toFloat64(sum(cost)) * RATE"
REVENUE = "toFloat64(sum(revenue)) * RATE"
MODEL = "if(provider = '', '(none)', provider) || ' / ' || if(model = '', '(none)', model)"
MONTH = "toStartOfMonth(occurred_at) = toStartOfMonth(now()) AND occurred_at <= now()"


def named(column):
    return f"if({column} = '', '(none)', {column})"


def whole(select, where=R):
    return f"SELECT {select} FROM {E} WHERE {where}"


def top_ten(keys, name):
    tops = f"SELECT {keys} FROM {E} WHERE {R} GROUP BY {keys} ORDER BY sum(cost) DESC, {keys} LIMIT 10"
    key = f"({keys})"
    return f"SELECT {H} AS t, if({key} IN ({tops}), {name}, 'all others') AS n, {COST} FROM {E} WHERE {R} GROUP BY t, n ORDER BY t, n"


def by_model(expression):
    tops = f"SELECT provider, model FROM {E} WHERE {R} GROUP BY provider, model ORDER BY {CALLS} DESC, provider, model LIMIT 10"
    return f"""SELECT {H} AS t, {MODEL} AS m, {expression} FROM {E} WHERE {R} AND (provider, model) IN ({tops})
        GROUP BY t, m HAVING {CALLS} > 0 ORDER BY t, m"""


DAYS = f"SELECT toDate(occurred_at) AS d, sum(cost) AS c FROM {E} WHERE toDate(occurred_at) >= today() - 14 AND occurred_at < today() GROUP BY d"
FORECAST = f"""(SELECT sum(cost) FROM {E} WHERE {MONTH} AND occurred_at < today()) AS before, (SELECT sum(cost) FROM {E} WHERE occurred_at >= today() AND occurred_at <= now()) AS now_day,
    (SELECT arraySort(groupArray(c)) FROM ({DAYS})) AS days, toUInt8(toLastDayOfMonth(today()) - today()) AS left"""
NEWEST_BUDGETS = "(SELECT * FROM DB.budget_rows FINAL WHERE (budget, scope, period_start) IN (SELECT budget, scope, max(period_start) FROM DB.budget_rows GROUP BY budget, scope))"
ALERTS = "(SELECT DISTINCT * FROM DB.alert_rows)"
AR = "occurred_at >= toDateTime(START) AND occurred_at <= toDateTime(END)"
LOUD = "state IN ('fired', 'escalated')"
RHYTHM = "(SELECT scope, hour, argMax((coherence, phase, entropy, state, state_code, actual, expected), revision) AS v FROM DB.rhythm_rows GROUP BY scope, hour)"
LAST = f"FROM {RHYTHM} WHERE scope = 'total' AND hour <= toDateTime(END) ORDER BY hour DESC LIMIT 1"
HR = "hour >= toDateTime(START) AND hour <= toDateTime(END)"

# Newest revision of each hour; its running period at the end of the range, of budgets without a scope.
PACE = """(SELECT budget, scope, hour, argMax((period, period_end, currency, spent, `limit`, forecast, low, high, straight_line, exceeded_at, action, confidence, gate_score, roi, slo, age_days, state), revision) AS v
    FROM DB.pace_rows GROUP BY budget, scope, hour)"""
PACE_NOW = f"(SELECT budget, argMax((v, hour), hour) AS w FROM {PACE} WHERE scope = '' AND hour <= toDateTime(END) AND v.2 > toDateTime(END) GROUP BY budget)"
PACE_RATIO = "toFloat64(v.6) / toFloat64(v.5)"


def pace_series(columns, order, limit):
    tops = f"SELECT budget FROM {PACE} WHERE scope = '' AND {HR} GROUP BY budget ORDER BY {order} DESC, budget LIMIT {limit}"
    return f"SELECT hour, budget, {columns} FROM {PACE} WHERE scope = '' AND {HR} AND budget IN ({tops}) ORDER BY hour, budget"


def rhythm_series(*places):
    return f"SELECT hour, {', '.join(places)} FROM {RHYTHM} WHERE scope = 'total' AND {HR} ORDER BY hour"


RECOUNTS = {
    "spend": {
        "Month to date": whole(COST, MONTH),
        "End of month": f"WITH {FORECAST} SELECT (toFloat64(before) + greatest(toFloat64(now_day), toFloat64(arraySum(days)) / length(days)) + toFloat64(arraySum(days)) / length(days) * left) * RATE",
        "Cost rate": whole(COST, f"{Q} > toDateTime(END) - 3600 AND {Q} <= toDateTime(END)"),
        "Calls": whole(CALLS),
        "Failed calls": whole(f"{ERRORS} / {CALLS}"),
        "Unpriced events": whole(UNPRICED),
        "Month to date against budget": f"SELECT budget, toFloat64(spent) / toFloat64(`limit`) AS r FROM {NEWEST_BUDGETS} WHERE scope = '' AND period_end - period_start >= 28 * 86400 ORDER BY r DESC, budget LIMIT 12",
        "Spend by hour": f"SELECT {H} AS t, {COST} FROM {E} WHERE {R} GROUP BY t ORDER BY t",
        "Spend by day": f"SELECT toDateTime(toStartOfDay(toTimeZone(occurred_at, 'ZONE')), 'UTC') AS t, {COST} FROM {E} WHERE {Q} >= toDateTime(START) AND {Q} <= toDateTime(END) GROUP BY t ORDER BY t",
        "Spend by provider": top_ten("provider", named("provider")),
        "Spend by model": top_ten("provider, model", MODEL),
        "Spend by feature": top_ten("feature", named("feature")),
        "Spend by team": top_ten("team", named("team")),
        "Top 10 users": f"""SELECT {named("user_id")}, {COST} AS c, {CALLS}, c / nullIf({CALLS}, 0), toFloat64({TOKENS}) FROM {E}
            WHERE toStartOfMonth(occurred_at) = (SELECT max(toStartOfMonth(occurred_at)) FROM {E} WHERE toDateTime(toStartOfMonth(occurred_at)) <= toDateTime(END)) GROUP BY user_id ORDER BY c DESC, user_id LIMIT 10""",
        "Cost per call by route": f"SELECT {named('route')} AS n, {COST} AS c, {CALLS} AS k, c / nullIf(k, 0) AS p, {ERRORS} / nullIf(k, 0) FROM {E} WHERE {R} GROUP BY route ORDER BY p DESC, route LIMIT 100",
        "Calls by model": f"SELECT {MODEL} AS m, {CALLS} AS k FROM {E} WHERE {R} GROUP BY m HAVING k > 0 ORDER BY k DESC, m LIMIT 20",
        "Tokens by model": f"SELECT {MODEL} AS m, toFloat64({TOKENS}) AS k FROM {E} WHERE {R} GROUP BY m HAVING k > 0 ORDER BY k DESC, m LIMIT 20",
        "Projection against budget": f"SELECT budget, toFloat64(w.1.6) / toFloat64(w.1.5) AS r FROM {PACE_NOW} WHERE w.1.5 > 0 ORDER BY r DESC, budget LIMIT 12",
        "Budgets and where they end": f"""SELECT budget, w.1.1, w.1.3, toFloat64(w.1.4), toFloat64(w.1.5), toFloat64(w.1.6), toFloat64(w.1.7), toFloat64(w.1.8), toFloat64(w.1.9), toFloat64(w.1.6) / toFloat64(w.1.5) AS r, w.1.10, w.1.11
            FROM {PACE_NOW} ORDER BY r DESC, budget LIMIT 200""",
        "Budgets": f"""SELECT budget, scope, period, currency, toFloat64(spent), toFloat64(`limit`), toFloat64(spent) / toFloat64(`limit`) AS r,
            least(1, (toUnixTimestamp(now()) - toUnixTimestamp(period_start)) / (toUnixTimestamp(period_end) - toUnixTimestamp(period_start))), toFloat64(`projection`),
            if(spent < `limit` AND `projection` >= `limit`, addSeconds(period_start, toInt64((period_end - period_start) * toFloat64(`limit`) / toFloat64(`projection`))), NULL), level
            FROM {NEWEST_BUDGETS} ORDER BY r DESC, budget, scope LIMIT 200""",
    },
    "features": {
        "Revenue": whole(REVENUE),
        "Spend": whole(COST),
        "Margin": whole("toFloat64(sum(revenue) - sum(cost)) * RATE"),
        "Margin ratio": whole("1 - toFloat64(sum(cost)) / toFloat64(sum(revenue))"),
        "Margin per feature": f"""SELECT {named("feature")}, {REVENUE} AS r, {COST} AS c, toFloat64(sum(revenue) - sum(cost)) * RATE AS m, m / nullIf(r, 0), {CALLS} AS k, r / nullIf(k, 0), c / nullIf(k, 0), {UNPRICED}
            FROM {E} WHERE {R} GROUP BY feature ORDER BY m, feature LIMIT 200""",
        "Average cost per call by feature": f"SELECT {named('feature')} AS f, {COST} / {CALLS} AS p FROM {E} WHERE {R} GROUP BY feature HAVING {CALLS} > 0 ORDER BY p DESC, f LIMIT 25",
        "Margin by feature and day": f"""SELECT toDateTime(toStartOfDay(occurred_at), 'UTC') AS t, {named("feature")} AS f, toFloat64(sum(revenue) - sum(cost)) * RATE FROM {E} WHERE {R}
            AND feature IN (SELECT feature FROM {E} WHERE {R} GROUP BY feature ORDER BY sum(cost) DESC, feature LIMIT 10) GROUP BY t, feature ORDER BY t, f""",
        "Revenue and spend by hour": f"SELECT {H} AS t, {REVENUE}, {COST} FROM {E} WHERE {R} GROUP BY t ORDER BY t",
    },
    "models": {
        "Models": f"""SELECT {named("provider")}, {named("model")}, {CALLS} AS k, {ERRORS} / k, avg(latency_ms), max(ifNull(latency_ms, 0)), toFloat64({TOKENS}) / k, {COST} AS c, c / k,
            c * 1000000 / nullIf(toFloat64({TOKENS}), 0), {UNPRICED} FROM {E} WHERE {R} GROUP BY provider, model HAVING k > 0 ORDER BY c DESC, provider, model LIMIT 200""",
        "Failure rate": by_model(f"{ERRORS} / {CALLS}"),
        "Mean latency": by_model("if(count(latency_ms) = 0, NULL, avg(latency_ms))"),
        "Spend per call": by_model(f"{COST} / {CALLS}"),
        "Tokens per call": by_model(f"toFloat64({TOKENS}) / {CALLS}"),
    },
    "rhythm": {
        "State": f"SELECT v.4 {LAST}",
        "Coherence now": f"SELECT v.1 {LAST}",
        "Phase now": f"SELECT v.2 {LAST}",
        "Entropy now": f"SELECT v.3 {LAST}",
        "Coherence": rhythm_series("v.1"),
        "Phase": rhythm_series("v.2"),
        "Entropy": rhythm_series("v.3"),
        "States": f"""SELECT hour, scope, v.4 FROM {RHYTHM} WHERE {HR} AND scope IN (SELECT scope FROM {RHYTHM} WHERE {HR} GROUP BY scope ORDER BY countIf(v.5 IN (0, 1)) DESC, scope LIMIT 20)
            ORDER BY hour, scope""",
        "Spend against expectation": rhythm_series("toFloat64(v.6)", "toFloat64(v.7)"),
        "Budget trend": "SELECT period_start, budget, toFloat64(spent) / toFloat64(`limit`) FROM DB.budget_rows FINAL WHERE scope = '' AND period_end - period_start > 3600 AND period_start >= toDateTime(START) AND period_start <= toDateTime(END) ORDER BY period_start, budget",
        "Forecast of the budget": f"SELECT hour, toFloat64(v.4), toFloat64(v.7), toFloat64(v.6), toFloat64(v.8), toFloat64(v.9), toFloat64(v.5) FROM {PACE} WHERE budget = 'planted-monthly' AND scope = '' AND {HR} ORDER BY hour",
        "Projection of the budgets": pace_series(PACE_RATIO, f"max({PACE_RATIO})", 12),
        "Recommended action": pace_series("v.11", "countIf(v.11 IN ('SCALE_DOWN', 'ROLLBACK', 'EMERGENCY_STOP'))", 20),
        "Actions and their reasons": f"""SELECT budget, w.1.11, w.1.12, w.1.17, toFloat64(w.1.6) / toFloat64(w.1.5) AS r, w.1.10, w.1.13, w.1.14, w.1.15, w.1.16
            FROM {PACE_NOW} ORDER BY w.1.11 IN ('SCALE_DOWN', 'ROLLBACK', 'EMERGENCY_STOP') DESC, r DESC, budget LIMIT 200""",
        "Forecast of the month": f"""WITH {FORECAST} SELECT toDateTime(toStartOfMonth(now()), 'UTC'), left, length(days), toFloat64(before + now_day) * RATE,
            (toFloat64(before) + greatest(toFloat64(now_day), toFloat64(days[intDiv(length(days), 10) + 1])) + toFloat64(days[intDiv(length(days), 10) + 1]) * left) * RATE,
            (toFloat64(before) + greatest(toFloat64(now_day), toFloat64(arraySum(days)) / length(days)) + toFloat64(arraySum(days)) / length(days) * left) * RATE,
            (toFloat64(before) + greatest(toFloat64(now_day), toFloat64(days[length(days) - intDiv(length(days), 10)])) + toFloat64(days[length(days) - intDiv(length(days), 10)]) * left) * RATE""",
    },
    "alerts": {
        "Alerts": f"SELECT count() FROM {ALERTS} WHERE {AR}",
        "Critical or worse": f"SELECT count() FROM {ALERTS} WHERE {AR} AND level NOT IN ('info', 'warning') AND {LOUD}",
        "Open": f"SELECT count() FROM (SELECT * FROM {ALERTS} WHERE occurred_at <= toDateTime(END) ORDER BY occurred_at DESC, level DESC LIMIT 1 BY rule, scope, period) WHERE {LOUD}",
        "Rules": f"SELECT count() FROM (SELECT DISTINCT rule FROM {ALERTS} WHERE {AR})",
        "By level": f"SELECT toStartOfHour(occurred_at) AS t, level, count() FROM {ALERTS} WHERE {AR} AND {LOUD} GROUP BY t, level ORDER BY t, level",
        "By rule": f"SELECT rule, count() AS n FROM {ALERTS} WHERE {AR} AND {LOUD} GROUP BY rule ORDER BY n DESC, rule LIMIT 25",
        "Alert log": f"""SELECT occurred_at, level, state, rule, scope, period, currency, toFloat64(current), toFloat64(threshold), toFloat64(previous), JSONExtractString(data, 'explanation')
            FROM {ALERTS} WHERE {AR} ORDER BY occurred_at DESC, rule, scope, period, state LIMIT 500""",
    },
    "pipeline": {
        "Offsets not accounted for": "SELECT 0",
        "Pipeline accounts": """SELECT topic, `partition`, toUInt64(first.1 - first.2), first.3, first.4, first.5, first.6, first.7, first.8 FROM (
            SELECT topic, `partition`, argMin((next_offset, first_offset, counted, duplicate, conflict, late, rejected, skipped), next_offset) AS first FROM DB.shard_accounts FINAL GROUP BY topic, `partition`
            ) ORDER BY topic, `partition`""",
    },
}


def total(where, limit):
    return f"SELECT 'total', {COST}, toUInt8({COST} >= {limit}) FROM {E} WHERE {where}"


def users(limit):
    return f"SELECT 'user_id=' || user_id AS s, {COST} AS c, 1 FROM {E} WHERE {MONTH} GROUP BY user_id HAVING c >= {limit} ORDER BY c DESC, s LIMIT 50"


def hours(limit):
    hour = f"SELECT {COST} AS c FROM {E} WHERE {H} = toStartOfHour(now()) - INTERVAL number HOUR"
    return " UNION ALL ".join(f"SELECT 'total' AS s, c, toUInt8(c >= {limit}) AS r FROM ({hour.replace('number', str(number))})" for number in (0, 1))


# By the uid of the rule.
RULES = {
    "cr-krw-month-warning": total(MONTH, 400000),
    "cr-krw-month": total(MONTH, 500000),
    "cr-krw-user-warning": users(400),
    "cr-krw-user": users(500),
    "cr-krw-hour-warning": f"SELECT * FROM ({hours(40000)}) ORDER BY c DESC LIMIT 1",
    "cr-krw-hour": f"SELECT * FROM ({hours(50000)}) ORDER BY c DESC LIMIT 1",
}
