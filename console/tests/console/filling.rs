//! Events of the last 70 days, and the rows that the pipeline makes of them.

use sinks::clickhouse::ClickHouse;
use tokio::sync::OnceCell;

use crate::engine_process::shared;

pub const DATABASE: &str = "console";

/// The filled database of the shared engine.
pub async fn filled() -> ClickHouse {
    static FILLED: OnceCell<()> = OnceCell::const_new();
    FILLED
        .get_or_init(|| async {
            let server = shared().database(DATABASE).await;
            fill(&server).await;
        })
        .await;
    shared().client(DATABASE)
}

/// Everything that the page shows.
pub async fn fill(server: &ClickHouse) {
    server.execute(EVENTS).await.unwrap();
    roll_up(server, 1).await;
    for statement in [BUDGETS, PACE, ALERTS, ANOMALIES, RHYTHM, ACCOUNTS] {
        server.execute(statement).await.unwrap();
    }
}

/// Rollups of all events: every window in two generations, each with a stale revision that is wrong.
pub async fn roll_up(server: &ClickHouse, revision: u32) {
    for (granularity, start) in [
        ("quarter_hour", "toStartOfFifteenMinutes(at)"),
        ("hour", "toStartOfHour(at)"),
        ("day", "toStartOfDay(at)"),
        ("month", "toDateTime(toStartOfMonth(at), 'UTC')"),
    ] {
        for (behind, wrong) in [(1, "77"), (0, "0")] {
            let statement = format!(
                "INSERT INTO rollups
                SELECT '{granularity}', grouping.1, {start} AS window, grouping.2, `offset` % 2 AS generation, {revision} * 2 - {behind}, window < now() - INTERVAL 2 HOUR, count(),
                    countIf(kind = 'llm'), countIf(kind = 'llm' AND status != 'ok'), countIf(cost_status = 'unpriced'), sum(uncached_input_tokens), sum(cache_read_tokens), 0,
                    sum(output_tokens), 0, sum(cost) + toDecimal128({wrong}, 18), 0, sum(revenue), count(latency_ms), sum(ifNull(latency_ms, 0)), max(ifNull(latency_ms, 0)),
                    min(occurred_at), max(occurred_at)
                FROM (SELECT *, toDateTime(occurred_at, 'UTC') AS at, arrayJoin({GROUPINGS}) AS grouping FROM usage_event_rows)
                GROUP BY grouping, window, generation"
            );
            server.execute(&statement).await.unwrap();
        }
    }
}

const GROUPINGS: &str = "[('total', CAST([], 'Array(String)')), ('provider', [provider]), ('model', [provider, model]), ('service', [service]), ('feature', [feature]),
    ('route', [route]), ('task_type', [task_type]), ('team', [team]), ('project', [project]), ('environment', [environment]), ('cost_center', [cost_center]), ('user', [user_id])]";

/// Values with what needs escaping: quotes, backslashes, commas, equals signs, markup.
const EVENTS: &str = r"INSERT INTO usage_event_rows (topic, `partition`, `offset`, event_id, source, occurred_at, kind, provider, model, service, feature, route, task_type, team, project,
    environment, cost_center, user_id, uncached_input_tokens, cache_read_tokens, output_tokens, cost, cost_status, revenue, latency_ms, status)
SELECT 'usage-events', 0, number, 'e' || toString(number), 'test', toDateTime64(now() - intDiv(number * number, 140), 6, 'UTC') AS occurred_at, if(number % 9 = 0, 'cost', 'llm'),
    if(number % 9 = 0, 'aws', ['openai', 'anthropic', 'google'][1 + cityHash64(number, 'p') % 3]),
    if(number % 9 = 0, '', ['small=1', 'mid,2', 'large\\3', '<b>bold</b>'][1 + cityHash64(number, 'm') % 4]), if(number % 9 = 0, ['ECS', 'S3'][1 + number % 2], ''),
    ['', 'tutor', 'search', 'it''s'][1 + cityHash64(number, 'f') % 4], '/r' || toString(number % 5), 'task', ['core', 'growth'][1 + cityHash64(number, 't') % 2], 'helios', 'production',
    'rnd', 'u-' || toString(cityHash64(number, 'u') % 60), cityHash64(number, 'i') % 3000, number % 70, 1 + number % 400,
    if(number % 41 = 0, toDecimal128(0, 18), toDecimal128(cityHash64(number, 'c') % 100000007, 18) / 1000000000) * if(number % 101 = 0, -1, 1),
    if(number % 41 = 0, 'unpriced', 'priced'), toDecimal128(cityHash64(number, 'r') % 1000003, 18) / 1000000, if(number % 9 = 0, NULL, number % 2500), if(number % 23 = 0, 'error', 'ok')
FROM numbers(1, 29000)";

const BUDGETS: &str = "INSERT INTO budget_rows (budget, scope, period, period_start, period_end, currency, spent, `limit`, `projection`, level, revision)
SELECT if(number = 0, 'llm-monthly', if(number = 1, 'saas-hourly', 'user-daily')), if(number < 2, '', 'user_id=u-' || toString(number)), 'now',
    if(number = 0, toDateTime(toStartOfMonth(now()), 'UTC'), toStartOfHour(now())), if(number = 0, toDateTime(toStartOfMonth(now()), 'UTC') + INTERVAL 1 MONTH, toStartOfHour(now()) + INTERVAL 1 HOUR),
    if(number = 1, 'KRW', 'USD'), toDecimal128(number * 7 + 1, 18) / 3, toDecimal128(20, 18), if(number % 3 = 0, NULL, toDecimal128(number * 9 + 1, 18) / 3), if(number > 7, 'critical', ''), r
FROM numbers(40) AS n CROSS JOIN (SELECT arrayJoin([1, 2]) AS r) AS v";

/// Of one budget, two hours: the newer one counts.
const PACE: &str = "INSERT INTO pace_rows (budget, scope, period, period_start, period_end, hour, currency, spent, `limit`, forecast, low, high, straight_line, exceeded_at, action, confidence, state, revision)
SELECT 'llm-monthly', '', 'now', toDateTime(toStartOfMonth(now()), 'UTC') AS s, s + INTERVAL 1 MONTH AS e, toStartOfHour(now()) - INTERVAL number HOUR, 'USD', 1, 20, 23 - number, 21, 26, 19, e - INTERVAL 5 HOUR,
    'SCALE_DOWN', 0.87, 'RESONANT', 1 FROM numbers(1, 2)";

/// 60 alerts of rules with lives of one to three events, several at one instant.
const ALERTS: &str = r#"INSERT INTO alert_rows (id, rule, scope, period, level, state, threshold, current, previous, currency, occurred_at, data)
SELECT lower(hex(MD5(toString(number) || state))), ['llm-daily', 'spike', 'rhythm'][1 + number % 3], if(number % 3 = 0, 'total', 'feature=it\'s'), 'p' || toString(number), level, state,
    10, toDecimal128(31 + number, 18) / 3, 9, 'USD', toDateTime64(toStartOfHour(now()) - INTERVAL number HOUR + INTERVAL step MINUTE, 6, 'UTC'),
    concat('{"rule":"x","period_start":"2026-11-01T00:00:00.000000Z","period_end":"2026-12-01T00:00:00.000000Z","projection":', if(number % 2 = 0, 'null', '"12.5"'), ',"explanation":"feature <b>it\'s</b> has spent much, number ', toString(number), '","recommendation":"look","permalink":null}')
FROM numbers(60) ARRAY JOIN arraySlice(['fired', 'escalated', 'resolved'], 1, 1 + number % 3) AS state, arraySlice(['warning', 'critical', 'critical'], 1, 1 + number % 3) AS level, arraySlice([0, 0, 9], 1, 1 + number % 3) AS step"#;

/// A feature runs away, which the whole and a team see; a provider has something else, which is not over.
pub const ANOMALIES: &str = r"INSERT INTO anomaly_rows (rule, scope, since, hour, level, actual, expected, is_over, revision)
SELECT 'spike', scope, toStartOfHour(now()) - INTERVAL 40 HOUR AS first, first + INTERVAL number HOUR, level, usual + if(number < 2, toDecimal128(31, 18) / 3, 0), usual, number = 4, 1
FROM numbers(5) AS n CROSS JOIN (SELECT arrayJoin([('total', 100, 'warning'), ('team=core', 30, 'warning'), ('feature=it\'s', 2, 'critical')]) AS s, s.1 AS scope, toDecimal128(s.2, 18) AS usual, s.3 AS level) AS v
UNION ALL SELECT 'hour-above', 'provider=openai', toStartOfHour(now()) - INTERVAL 2 HOUR, toStartOfHour(now()) - INTERVAL 2 HOUR, 'warning', 9, 0, false, 1";

const RHYTHM: &str = r"INSERT INTO rhythm_rows (scope, hour, actual, expected, coherence, phase, entropy, state, state_code, revision)
SELECT scope, toStartOfHour(now()) - INTERVAL (1 + number) HOUR AS hour, toDecimal128(number % 7, 18) / 3, toDecimal128(2, 18), if(state IN ('LEARNING', 'IDLE'), NULL, 0.5 + (number % 5) / 10), 0.85,
    0.25 + (number % 4) / 8, ['RESONANT', 'DISSONANT', 'CHAOTIC', 'LEARNING', 'IDLE'][1 + intDiv(number, 12) % 5] AS state, transform(state, ['RESONANT', 'DISSONANT', 'CHAOTIC'], [2, 1, 0], NULL), r
FROM numbers(200) AS n CROSS JOIN (SELECT arrayJoin(['total', 'provider=openai', 'provider=openai,model=small\\=1', 'team=core', 'budget:llm-monthly']) AS scope) AS s CROSS JOIN (SELECT arrayJoin([1, 2]) AS r) AS v";

const ACCOUNTS: &str = "INSERT INTO shard_accounts VALUES ('usage-events', 0, 0, 1, 0, 30000, 29000, 600, 20, 30, 340, 10, 5)";
