-- How long rows are kept. Days and months stay for ever. An operator who wants other times says so with the same statements: this file runs
-- once. None may be shorter than `windows.horizon`, within which late events still correct a window.
ALTER TABLE rollups MODIFY TTL
    window_start + INTERVAL 1100 DAY DELETE WHERE granularity = 'quarter_hour',
    window_start + INTERVAL 3660 DAY DELETE WHERE granularity = 'hour'
SETTINGS materialize_ttl_after_modify = 0;

ALTER TABLE usage_event_rows MODIFY TTL toDateTime(occurred_at) + INTERVAL 1100 DAY DELETE SETTINGS materialize_ttl_after_modify = 0;

ALTER TABLE budget_rows MODIFY TTL period_end + INTERVAL 3660 DAY DELETE SETTINGS materialize_ttl_after_modify = 0;

ALTER TABLE alert_rows MODIFY TTL toDateTime(occurred_at) + INTERVAL 3660 DAY DELETE SETTINGS materialize_ttl_after_modify = 0;

ALTER TABLE rhythm_rows MODIFY TTL hour + INTERVAL 3660 DAY DELETE SETTINGS materialize_ttl_after_modify = 0;
