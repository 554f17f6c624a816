-- What the program knows from its files and readers need beside the amounts: exchange rates and the business time zone.
--
-- Every start whose rates differ from those written last writes all of them anew, under one `load`; the latest load is in force as a whole,
-- so a rate that was taken out of the files is gone here as well.
CREATE TABLE IF NOT EXISTS exchange_rate_rows (
    `load` String,
    loaded_at DateTime64(6, 'UTC'),
    currency String,
    valid_from DateTime64(6, 'UTC'),
    per_usd Decimal(38, 18)
)
ENGINE = MergeTree
ORDER BY (loaded_at, currency, valid_from);

-- US dollars are always there, so that every conversion goes one way.
CREATE OR REPLACE VIEW exchange_rates AS
SELECT
    rate.currency AS currency,
    rate.valid_from AS valid_from,
    if(rate.next = toDateTime64('1970-01-01 00:00:00', 6, 'UTC'), NULL, rate.next) AS valid_to,
    rate.per_usd AS per_usd
FROM (
    SELECT
        currency,
        valid_from,
        per_usd,
        leadInFrame(valid_from, 1, toDateTime64('1970-01-01 00:00:00', 6, 'UTC'))
            OVER (PARTITION BY currency ORDER BY valid_from ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next
    FROM (
        SELECT DISTINCT r.currency AS currency, r.valid_from AS valid_from, r.per_usd AS per_usd
        FROM exchange_rate_rows AS r
        WHERE r.`load` = (SELECT argMax(`load`, loaded_at) FROM exchange_rate_rows) AND r.currency != 'USD'
    )
    UNION ALL
    SELECT 'USD', toDateTime64('1970-01-01 00:00:00', 6, 'UTC'), toDecimal128(1, 18), toDateTime64('1970-01-01 00:00:00', 6, 'UTC')
) AS rate;

-- One row: the time zone of business days and months, and when the running ones began there. The program makes this view anew when
-- its `windows.time_zone` is another one.
CREATE OR REPLACE VIEW business_time AS
SELECT
    'UTC' AS time_zone,
    toTimeZone(toStartOfDay(now(), 'UTC'), 'UTC') AS day_start,
    toTimeZone(toDateTime(toStartOfMonth(now(), 'UTC'), 'UTC'), 'UTC') AS month_start,
    toTimeZone(toDateTime(toStartOfMonth(now(), 'UTC') + INTERVAL 1 MONTH, 'UTC'), 'UTC') AS next_month_start;
