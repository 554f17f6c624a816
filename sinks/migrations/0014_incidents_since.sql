-- Of the hours from `since` on, so that not all years are joined with themselves. One cause is seen at many levels: by the whole, a provider, a model, a feature. An incident is the narrowest of the scopes that explain each other, the
-- others are its contributors. Scope A is explained by scope B of another grouping set if B spent at least four fifths of A's excess in the same hours, and
-- less is usual for B than for A.
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
    episodes AS (
        SELECT
            scope,
            since,
            arrayStringConcat(extractAll(replaceRegexpAll(scope, '\\\\.', ''), '(?:^|,)([^=,]+)='), ',') AS dimensions,
            max(hour) AS last_hour,
            arraySort(groupUniqArrayArray(rules)) AS rules,
            max(is_critical) AS is_critical,
            argMax(is_over, hour) AS is_over,
            sum(actual) AS actual,
            sum(expected) AS expected,
            sum(excess) AS excess
        FROM hours
        GROUP BY scope, since
    ),
    pairs AS (
        SELECT
            a.scope AS scope,
            a.since AS since,
            b.scope AS other_scope,
            b.since AS other_since,
            sum(least(a.excess, b.excess)) AS shared
        FROM hours AS a
        INNER JOIN hours AS b ON a.hour = b.hour
        WHERE a.scope != b.scope
        GROUP BY scope, since, other_scope, other_since
        HAVING shared > 0
    ),
    narrower AS (
        SELECT
            p.scope AS scope,
            p.since AS since,
            (p.other_scope, p.other_since) AS other,
            p.shared AS shared,
            b.expected AS expected,
            toFloat64(p.shared) >= 0.8 * toFloat64(a.excess) AS explains
        FROM pairs AS p
        INNER JOIN episodes AS a ON a.scope = p.scope AND a.since = p.since
        INNER JOIN episodes AS b ON b.scope = p.other_scope AND b.since = p.other_since
        WHERE a.dimensions != b.dimensions AND (b.expected, b.scope) < (a.expected, a.scope)
    ),
    explained AS (SELECT DISTINCT scope, since FROM narrower WHERE explains),
    assigned AS (
        SELECT n.scope AS scope, n.since AS since, argMax(n.other, (n.explains, n.shared, -n.expected, n.other)) AS head
        FROM narrower AS n
        INNER JOIN explained AS e ON e.scope = n.scope AND e.since = n.since
        LEFT ANTI JOIN explained AS o ON o.scope = n.other.1 AND o.since = n.other.2
        GROUP BY scope, since
    ),
    members AS (
        SELECT e.*, if(a.scope = '', (e.scope, e.since), a.head) AS head, (e.scope, e.since) = head AS is_head
        FROM episodes AS e
        LEFT JOIN assigned AS a ON a.scope = e.scope AND a.since = e.since
    )
SELECT
    m.head.1 AS scope,
    m.head.2 AS since,
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

CREATE OR REPLACE VIEW incidents AS SELECT * FROM {database}.incidents_since(since = '1970-01-01 00:00:00');
