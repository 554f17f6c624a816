//! The planned incident as a visitor sees it: the last hours of the history are played slowly, and what becomes of the incident is told.
//!
//! Alerts are judged on event time, and an incident is over when three hours have passed without one. So that nobody waits for that, an hour of
//! event time passes in some seconds here. All of it has happened before the present: nothing is ahead of the clock.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use generate::{Incident, incident};
use schemas::Timestamp;
use schemas::timestamp::{HOUR_US, MINUTE_US};

/// Hours before the incident, for a visitor to see what is usual.
const CALM_US: i64 = HOUR_US + 10 * MINUTE_US;
/// How often ClickHouse is asked for news.
const NEWS_EVERY: Duration = Duration::from_millis(400);

/// Answers a query with lines of cells between tabs.
pub(super) type Ask<'a> = &'a dyn Fn(&str) -> anyhow::Result<String>;

/// See the module's documentation.
pub(super) struct Scene {
    start: Timestamp,
    end: Timestamp,
    id_prefix: String,
    seconds_per_hour: f64,
    /// When it began on the visitor's clock, once it has.
    begun: Option<Instant>,
    told_start: Option<Instant>,
    told_end: bool,
    /// Ids of alerts that were told.
    told: HashSet<String>,
    asked: Instant,
    /// From the line about the first call to that about the first alert, on the visitor's clock.
    seen_after: Option<Duration>,
}

/// The alert about the incident, from the first event of its life to the last.
pub(super) struct Life {
    /// Of the event that fired.
    pub(super) id: String,
    pub(super) scope: String,
    pub(super) rule: String,
    pub(super) explanation: String,
    /// State, event time, spend.
    pub(super) events: Vec<(String, Timestamp, String)>,
}

impl Life {
    /// Is it over?
    pub(super) fn is_resolved(&self) -> bool {
        self.events.iter().any(|(state, ..)| state == "resolved")
    }
}

impl Scene {
    pub(super) fn new(incident: &Incident, seconds_per_hour: f64) -> Self {
        Scene {
            start: incident.start(),
            end: incident.end(),
            id_prefix: incident.id_prefix(),
            seconds_per_hour,
            begun: None,
            told_start: None,
            told_end: false,
            told: HashSet::new(),
            asked: Instant::now(),
            seen_after: None,
        }
    }

    /// Does it begin with what happened at this time?
    pub(super) fn begins_at(&self, at: Timestamp) -> bool {
        self.begun.is_none() && at >= self.from()
    }

    /// Has it?
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    fn from(&self) -> Timestamp {
        self.start.plus(-CALM_US)
    }

    /// From now on event time passes by the visitor's clock.
    pub(super) fn begin(&mut self, page: &str) {
        self.begun = Some(Instant::now());
        println!("Now slowly: the last hours before the present, an hour in {:.0} seconds. What comes:", self.seconds_per_hour);
        println!(
            "  {}  an agent of the feature {} begins to call {} in a loop; at {} it is stopped.",
            clock(self.start),
            incident::FEATURE,
            incident::MODEL,
            clock(self.end)
        );
        println!("  Watch it on {page} : the hours, the budgets, and below them the alerts. Click an alert for its life.\n");
    }

    /// How long until what happened at this time may be sent; zero before it has begun.
    pub(super) fn wait(&self, at: Timestamp) -> Duration {
        let Some(begun) = self.begun else { return Duration::ZERO };
        let hours = (at.micros() - self.from().micros()) as f64 / HOUR_US as f64;
        Duration::from_secs_f64((hours * self.seconds_per_hour).max(0.0)).saturating_sub(begun.elapsed())
    }

    /// Event time now, on the visitor's clock.
    fn now(&self, begun: Instant) -> Timestamp {
        self.from().plus((begun.elapsed().as_secs_f64() / self.seconds_per_hour * HOUR_US as f64) as i64)
    }

    /// Tells what has happened since it was asked last. `page` is the address of the page.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub(super) fn tell(&mut self, page: &str, ask: Ask<'_>) -> anyhow::Result<()> {
        let Some(begun) = self.begun else { return Ok(()) };
        if self.told_start.is_none() && self.now(begun) >= self.start {
            self.told_start = Some(Instant::now());
            println!("{}  The agent has begun. Nobody has told the pipeline.", clock(self.start));
        }
        if !self.told_end && self.now(begun) >= self.end {
            self.told_end = true;
            println!("{}  The agent is stopped. Its alerts are resolved when three hours have been below their limits.", clock(self.end));
        }
        if self.told_start.is_none() || self.asked.elapsed() < NEWS_EVERY {
            return Ok(());
        }
        self.asked = Instant::now();
        let news = ask(&format!(
            "SELECT id, toUnixTimestamp64Micro(occurred_at), state, level, rule, scope, JSONExtractString(data, 'explanation') FROM cost_rhythm.alerts
            WHERE occurred_at >= fromUnixTimestamp64Micro({}) ORDER BY occurred_at, rule, scope",
            self.start.micros()
        ))?;
        for line in news.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            let [id, at, state, level, rule, scope, explanation] = cells[..] else { continue };
            if !self.told.insert(id.to_owned()) {
                continue;
            }
            println!("{}  {state:<12} {level:<9} {rule} · {scope}", clock(Timestamp::from_micros(at.parse()?)));
            if self.seen_after.is_none() && is_about_it(scope) && state == "fired" {
                self.seen_after = self.told_start.map(|told| told.elapsed());
                println!("        {explanation}\n        {page}alerts/{id}");
            }
        }
        Ok(())
    }

    /// What came of it, as ClickHouse has it.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub(super) fn life(&self, ask: Ask<'_>) -> anyhow::Result<Option<Life>> {
        // Of several that say it, that which compares the hour with what is usual, and which names the feature.
        let first = ask(&format!(
            "SELECT id, rule, scope, JSONExtractString(data, 'explanation') FROM cost_rhythm.alerts
            WHERE occurred_at >= fromUnixTimestamp64Micro({}) AND state = 'fired' AND (scope LIKE '%={}' OR scope LIKE '%={}')
            ORDER BY rule != 'spike', scope NOT LIKE 'feature=%', occurred_at LIMIT 1",
            // In a replay without pauses the hour's spend is there when the hour is opened, and what it reaches is told of its first instant.
            self.start.micros() - self.start.micros().rem_euclid(HOUR_US),
            incident::FEATURE,
            incident::MODEL
        ))?;
        let cells: Vec<&str> = first.trim_end().split('\t').collect();
        let [id, rule, scope, explanation] = cells[..] else { return Ok(None) };
        let life = ask(&format!(
            "SELECT state, toUnixTimestamp64Micro(occurred_at), toString(round(current, 2)) FROM cost_rhythm.alerts
            WHERE (rule, scope, period) IN (SELECT rule, scope, period FROM cost_rhythm.alerts WHERE id = '{id}')
            ORDER BY occurred_at, indexOf(['fired', 'escalated', 'resolved'], state)"
        ))?;
        let mut events = Vec::new();
        for line in life.lines() {
            let mut cells = line.split('\t');
            if let (Some(state), Some(at), Some(spent)) = (cells.next(), cells.next(), cells.next()) {
                events.push((state.to_owned(), Timestamp::from_micros(at.parse()?), spent.to_owned()));
            }
        }
        Ok(Some(Life { id: id.to_owned(), rule: rule.to_owned(), scope: scope.to_owned(), explanation: explanation.to_owned(), events }))
    }

    /// Sums the incident up, for people.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub(super) fn sum_up(&self, page: &str, ask: Ask<'_>) -> anyhow::Result<()> {
        let cost = ask(&format!(
            "SELECT count(), toString(sum(cost)) FROM cost_rhythm.usage_events WHERE startsWith(event_id, '{}')",
            self.id_prefix
        ))?;
        let (calls, cost) = cost.trim_end().split_once('\t').unwrap_or(("0", "0"));
        println!("\nThe incident (event time):");
        println!("  began      {}  {} calls {} in a loop", clock(self.start), incident::FEATURE, incident::MODEL);
        let life = self.life(ask)?;
        let mut is_end_told = false;
        let stopped = || println!("  stopped    {}  {calls} calls have cost {cost} USD", clock(self.end));
        for (state, at, spent) in life.iter().flat_map(|life| &life.events) {
            if *at >= self.end && !is_end_told {
                stopped();
                is_end_told = true;
            }
            match state.as_str() {
                "resolved" => println!("  {state:<10} {}  {} after it was stopped", clock(*at), lasting(self.end, *at)),
                _ if *at < self.start => println!("  {state:<10} {}  with its hour, at {spent} USD", clock(*at)),
                _ => println!("  {state:<10} {}  {} after it began, at {spent} USD in the hour", clock(*at), lasting(self.start, *at)),
            }
        }
        if !is_end_told {
            stopped();
        }
        match life {
            None => println!("  no alert tells of it: the history is too thin for that; more --events make it thicker"),
            Some(life) => {
                if let Some(seen_after) = self.seen_after {
                    println!("  told       {:.1} s after this terminal said that it had begun", seen_after.as_secs_f64());
                }
                println!("  explained  {}", life.explanation);
                println!("  see        {page}alerts/{}  ({} about {})", life.id, life.rule, life.scope);
            }
        }
        println!();
        Ok(())
    }
}

fn is_about_it(scope: &str) -> bool {
    scope.ends_with(incident::FEATURE) || scope.ends_with(incident::MODEL)
}

/// `14:30Z`
fn clock(at: Timestamp) -> String {
    format!("{}Z", at.to_string().get(11..16).unwrap_or_default())
}

/// Between two times, by the minute.
fn lasting(from: Timestamp, to: Timestamp) -> String {
    let minutes = (to.micros() - from.micros()).max(0) / MINUTE_US;
    match minutes / 60 {
        0 => format!("{minutes} min"),
        hours => format!("{hours} h {} min", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_the_minute() {
        let at = Timestamp::parse("2026-11-22T10:15:03Z").unwrap_or(Timestamp::MIN);
        assert_eq!(clock(at), "10:15Z");
        assert_eq!([lasting(at, at.plus(59 * MINUTE_US)), lasting(at, at.plus(125 * MINUTE_US))], ["59 min", "2 h 5 min"]);
    }

    #[test]
    fn event_time_passes_by_the_pace_once_it_has_begun() {
        let end = Timestamp::parse("2026-11-22T20:40:00Z").unwrap_or(Timestamp::MIN);
        let Ok(incident) = Incident::before(end, 1) else { return };
        let mut scene = Scene::new(&incident, 1000.0);
        assert!(!scene.begins_at(scene.from().plus(-1)) && scene.begins_at(scene.from()));
        assert_eq!(scene.wait(end), Duration::ZERO);
        scene.begun = Some(Instant::now());
        let wait = scene.wait(scene.from().plus(HOUR_US)).as_secs_f64();
        assert!((990.0..=1000.0).contains(&wait), "{wait}");
        assert!(!scene.begins_at(end), "it begins once");
    }
}
