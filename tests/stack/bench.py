#!/usr/bin/env python3
"""How long every panel and view takes on many rollup rows.

    cost-rhythm demo --events 10000 --exit --path DIR        makes the tables and views
    cost-rhythm engine --path DIR --listen 127.0.0.1:8123
    bench.py fill --days 280                                  10^8 rows: 358,000 a day, 220 series and 50,000 users
    bench.py measure [--hours 24] [--pid PID]                 best and median of 5; with PID, the engine's own CPU time too

Not on a database that is in use.
"""

import argparse
import sys
import time

from check_stack import PROJECT, Server, queries

# (granularity, seconds, active users in a window)
WINDOWS = (("quarter_hour", 900, 2000), ("hour", 3600, 5000), ("day", 86400, 20000))
SERIES = 220

VIEWS = {
    "feature_cost_summary": "SELECT * FROM {0}.feature_cost_summary",
    "feature_cost_summary_in": "SELECT * FROM {0}.feature_cost_summary_in(currency = 'KRW')",
    "feature_margin_in": "SELECT * FROM {0}.feature_margin_in(currency = 'KRW')",
    "realtime_cost_monitor": "SELECT * FROM {0}.realtime_cost_monitor",
    "model_performance_comparison": "SELECT * FROM {0}.model_performance_comparison",
    "user_monthly_cost, ten of one month": "SELECT * FROM {0}.user_monthly_cost WHERE window_start = (SELECT month_start FROM {0}.business_time) ORDER BY cost DESC LIMIT 10",
    "user_monthly_cost, one user": "SELECT * FROM {0}.user_monthly_cost WHERE user_id = 'u-77'",
    "check_cost_threshold": "SELECT * FROM {0}.check_cost_threshold(currency = 'KRW', monthly_limit = '500000', user_monthly_limit = '500', hourly_limit = '50000') WHERE check != 'user_month' OR is_reached LIMIT 50",
}


def windows(server, granularity, seconds, start, count, users):
    """One insert of `count` windows from `start`, with pseudo-random amounts that are the same in every run."""
    server.ask(f"""INSERT INTO {server.database}.rollups
        SELECT '{granularity}', s, toDateTime({start} + w * {seconds}, 'UTC'), v, 0, 1, true, e, e, intDiv(e, 40), 0, e * 700, e * 100, e * 20, e * 150, e * 10,
            toDecimal128(e * (1 + cityHash64(k, w) % 1000), 18) / 100000, 0, toDecimal128(e, 18) / 50, e, e * 900, 4000,
            toDateTime64({start} + w * {seconds} + 1, 6, 'UTC'), toDateTime64({start} + (w + 1) * {seconds} - 1, 6, 'UTC')
        FROM (
            SELECT number % {SERIES + users} AS k, intDiv(number, {SERIES + users}) AS w, 1 + cityHash64(number) % 50 AS e,
                multiIf(k < 1, 'total', k < 6, 'provider', k < 36, 'model', k < 46, 'service', k < 66, 'feature', k < 116, 'route', k < 126, 'task_type', k < 146, 'team',
                    k < 196, 'project', k < 200, 'environment', k < 220, 'cost_center', 'user') AS s,
                multiIf(k < 1, []::Array(String), k < 6, ['provider-' || toString(k)], k < 36, ['provider-' || toString(1 + k % 5), 'model-' || toString(k)],
                    k < 220, [s || '-' || toString(k)], ['u-' || toString((toUInt64(k) * 7919 + w * 31 + {start}) % 50000)]) AS v
            FROM numbers({count * (SERIES + users)})
        )""")


def fill(server, days):
    tomorrow = (int(time.time()) // 86400 + 1) * 86400
    for back in range(days, 0, -1):
        start = tomorrow - back * 86400
        for granularity, seconds, users in WINDOWS:
            windows(server, granularity, seconds, start, 86400 // seconds, users)
        if time.gmtime(start).tm_mday == 1:
            windows(server, "month", 86400, start, 1, 49000)
        print(f"{back} days to go", end="\r", file=sys.stderr, flush=True)
    print(server.ask(f"SELECT count() FROM {server.database}.rollups")[0][0], "rows")


def cpu_ms(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 10


def measure(server, hours, pid):
    end = int(time.time()) // 3600 * 3600
    asked = [(name, sql.format(server.database)) for name, sql in VIEWS.items()]
    asked += [(f"{q['dashboard']} {q['panel']}", q["sql"].replace("cost_rhythm.", f"{server.database}.")) for q in queries(PROJECT, end - hours * 3600, end, every=True) if q["ref"] != "unit"]
    rows = []
    for name, sql in asked:
        server.ask(sql)
        before, walls = cpu_ms(pid) if pid else 0, []
        for _ in range(5):
            begun = time.monotonic()
            server.ask(sql)
            walls.append((time.monotonic() - begun) * 1000)
        rows.append(((cpu_ms(pid) - before) / 5 if pid else 0, min(walls), sorted(walls)[2], name))
    for cpu, best, median, name in sorted(rows, reverse=True):
        print(f"best {best:6.0f} ms  median {median:6.0f} ms" + (f"  CPU {cpu:5.0f} ms" if pid else "") + f"  {name}")


def main():
    parser = argparse.ArgumentParser(description="times of the panels on many rows")
    parser.add_argument("command", choices=["fill", "measure"])
    parser.add_argument("--url", default="http://127.0.0.1:8123")
    parser.add_argument("--database", default="cost_rhythm")
    parser.add_argument("--days", type=int, default=280)
    parser.add_argument("--hours", type=int, default=24, help="time range of the panels")
    parser.add_argument("--pid", type=int, help="the engine's process")
    arguments = parser.parse_args()
    server = Server(arguments.url, arguments.database)
    if arguments.command == "fill":
        fill(server, arguments.days)
    else:
        measure(server, arguments.hours, arguments.pid)


if __name__ == "__main__":
    main()
