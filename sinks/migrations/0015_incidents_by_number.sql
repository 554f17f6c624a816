-- What `incidents_since` has always been, with episodes as numbers where they are compared with each other: 1,000 scopes in one hour take a fifth of the time,
-- 3,000 a fifteenth. An episode's number is its place in the order of what was usual for it, so a narrower one has the smaller number. Episodes for which
-- equally much was usual are compared by scope and time.
CREATE OR REPLACE VIEW incidents_since AS
WITH
    hours AS (
        SELECT
            scope,
            min(since) AS since,
            hour,
            groupUniqArray(rule) AS rules,
            max(level = 'critical') AS is_critical,
            any(actual) AS actual,
            argMin(expected, (rule != 'spike', rule)) AS expected,
            greatest(actual - expected, toDecimal128(0, 18)) AS excess,
            min(is_over) AS is_over
        FROM anomalies
        WHERE hour >= {since:DateTime('UTC')}
        GROUP BY scope, hour
    ),
    summed AS (
        SELECT
            h.scope AS scope,
            h.since AS since,
            arrayStringConcat(extractAll(replaceRegexpAll(h.scope, '\\\\.', ''), '(?:^|,)([^=,]+)='), ',') AS dimensions,
            max(h.hour) AS last_hour,
            arraySort(groupUniqArrayArray(h.rules)) AS rules,
            max(h.is_critical) AS is_critical,
            argMax(h.is_over, h.hour) AS is_over,
            sum(h.actual) AS actual,
            sum(h.expected) AS expected,
            sum(h.excess) AS excess,
            groupArrayIf((h.hour, h.excess), h.excess > 0) AS excesses
        FROM hours AS h
        GROUP BY scope, since
    ),
    episodes AS (SELECT row_number() OVER (ORDER BY expected, scope, since) AS number, * FROM summed),
    parts AS (
        SELECT number, cityHash64(dimensions) AS dimensions, excess, arrayJoin(excesses) AS part, part.1 AS hour, part.2 AS hour_excess FROM episodes
    ),
    narrower AS (
        SELECT
            a.number AS number,
            b.number AS other,
            sum(least(a.hour_excess, b.hour_excess)) AS shared,
            toFloat64(shared) >= 0.8 * toFloat64(any(a.excess)) AS explains
        FROM parts AS a
        INNER JOIN parts AS b ON a.hour = b.hour
        WHERE b.number < a.number AND a.dimensions != b.dimensions
        GROUP BY number, other
    ),
    explained AS (SELECT DISTINCT number FROM narrower WHERE explains),
    heads AS (
        SELECT number, argMax(other, (explains, shared, -other)) AS head
        FROM narrower
        WHERE number IN explained AND other NOT IN explained
        GROUP BY number
    ),
    members AS (
        SELECT e.*, if(h.head = 0, e.number, h.head) AS head, e.number = head AS is_head
        FROM episodes AS e
        LEFT JOIN heads AS h ON h.number = e.number
    )
SELECT
    anyIf(m.scope, m.is_head) AS scope,
    anyIf(m.since, m.is_head) AS since,
    min(m.since) AS started_at,
    max(m.last_hour) + INTERVAL 1 HOUR AS ended_at,
    if(min(m.is_over), 'resolved', 'open') AS state,
    if(max(m.is_critical), 'critical', 'warning') AS level,
    arraySort(groupUniqArrayArray(m.rules)) AS rules,
    anyIf(m.actual, m.is_head) AS actual,
    anyIf(m.expected, m.is_head) AS expected,
    anyIf(m.excess, m.is_head) AS excess,
    toFloat64(anyIf(m.actual, m.is_head)) / nullIf(toFloat64(anyIf(m.expected, m.is_head)), 0) AS factor,
    arrayReverseSort(c -> (c.4, c.1), groupArrayIf((m.scope, m.actual, m.expected, m.excess), NOT m.is_head)) AS contributors
FROM members AS m
GROUP BY m.head;
