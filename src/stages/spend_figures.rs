//! What calls to models cost and use, for `/metrics`: counted where events are folded, added up for the whole process.
//!
//! A stage counts into a [`SpendCounter`] of its own, without a lock, and hands it over with every flush. What is handed over stays when a
//! partition moves, so that the process's counters only grow (the cost goes down with a credit). They begin at nothing with the process:
//! what is folded again after a crash, at most what came since the last snapshot, is counted in both processes. The rollups are exact; these
//! are for rates and alerts.
//!
//! Labels are bounded: the first pairs of provider and model have figures of their own, all others share those of `__other__`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use processor::pricing::PricedEvent;
use schemas::event::Kind;
use schemas::grouping::OTHER;
use schemas::timestamp::MINUTE_US;
use schemas::{Dimension, Event, Money, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

/// Upper bounds of the histogram's buckets, tokens; the last one has none.
pub const TOKEN_BUCKETS: [u64; 7] = [100, 500, 1000, 2000, 4000, 8000, 16_000];
/// The kinds of tokens: disjoint, every token is of one.
pub const TOKEN_KINDS: [&str; 5] = ["uncached_input", "cache_read", "cache_write", "output", "reasoning"];

/// Minutes of an hour, whose costs are kept one by one.
const MINUTES: i64 = 60;
/// Pairs that a counter finds without asking; a power of two.
const REMEMBERED: usize = 512;
/// Costs of other minutes that a counter keeps before it hands over.
const SPILLED: usize = 4096;

/// Tokens of one kind per call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Calls by bucket, each in one.
    pub buckets: [u64; TOKEN_BUCKETS.len() + 1],
    /// All tokens.
    pub sum: u64,
}

impl TokenUsage {
    fn observe(&mut self, tokens: i64) {
        let tokens = u64::try_from(tokens).unwrap_or(0);
        if tokens > 0 {
            self.buckets[bucket_of(tokens)] += 1;
            self.sum = self.sum.saturating_add(tokens);
        }
    }

    fn add(&mut self, other: &TokenUsage) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// In 32 bits and without branches, so that all bounds are compared at once.
fn bucket_of(tokens: u64) -> usize {
    const BOUNDS: [i32; 8] = {
        let mut bounds = [i32::MAX; 8];
        let mut place = 0;
        while place < TOKEN_BUCKETS.len() {
            bounds[place] = TOKEN_BUCKETS[place] as i32;
            place += 1;
        }
        bounds
    };
    let tokens = i32::try_from(tokens).unwrap_or(i32::MAX);
    BOUNDS.iter().map(|bound| i32::from(tokens > *bound)).sum::<i32>() as usize
}

/// Of one pair of provider and model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls that went well (or did not say), and those that did not.
    pub calls: [u64; 2],
    /// Units of 10^-18 US dollars. Not `Money`: a metric that wraps is better than a pipeline that stops.
    cost: i128,
    /// By kind.
    pub tokens: [TokenUsage; TOKEN_KINDS.len()],
}

impl Usage {
    fn add(&mut self, other: &Usage) {
        self.calls = [self.calls[0] + other.calls[0], self.calls[1] + other.calls[1]];
        self.cost = self.cost.wrapping_add(other.cost);
        for (tokens, more) in self.tokens.iter_mut().zip(&other.tokens) {
            tokens.add(more);
        }
    }

    /// US dollars.
    pub fn cost(&self) -> Money {
        Money::from_units(self.cost)
    }
}

/// Costs of the last 60 minutes of event time, each in its place.
#[derive(Clone, Copy, Debug)]
struct LastHour {
    minutes: [(i64, i128); MINUTES as usize],
}

impl LastHour {
    const EMPTY: LastHour = LastHour { minutes: [(i64::MIN, 0); MINUTES as usize] };

    fn add(&mut self, minute: i64, cost: i128) {
        let place = &mut self.minutes[minute.rem_euclid(MINUTES) as usize];
        match place.0.cmp(&minute) {
            std::cmp::Ordering::Less => *place = (minute, cost),
            std::cmp::Ordering::Equal => place.1 = place.1.wrapping_add(cost),
            // More than an hour older than what is known: no part of the last hour any more.
            std::cmp::Ordering::Greater => {}
        }
    }

    /// Of the 60 minutes that end with the one that `now` is in.
    fn sum(&self, now: Timestamp) -> Money {
        let last = now.micros().div_euclid(MINUTE_US);
        let within = self.minutes.iter().filter(|(minute, _)| (last - MINUTES + 1..=last).contains(minute));
        Money::from_units(within.fold(0, |sum: i128, (_, cost)| sum.wrapping_add(*cost)))
    }
}

struct Pair {
    provider: Box<str>,
    model: Box<str>,
    usage: Usage,
    last_hour: LastHour,
}

struct All {
    most: usize,
    by_name: HashMap<(Box<str>, Box<str>), usize>,
    /// The first one is for all others.
    pairs: Vec<Pair>,
}

impl All {
    fn pair(&mut self, provider: &str, model: &str) -> usize {
        let name = (Box::from(provider), Box::from(model));
        if let Some(place) = self.by_name.get(&name) {
            return *place;
        }
        // One is taken by the others.
        if self.pairs.len() > self.most {
            return 0;
        }
        self.pairs.push(Pair { provider: name.0.clone(), model: name.1.clone(), usage: Usage::default(), last_hour: LastHour::EMPTY });
        self.by_name.insert(name, self.pairs.len() - 1);
        self.pairs.len() - 1
    }
}

/// The figures of one pair at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFigures {
    /// As events say it; `__other__` for all beyond the limit.
    pub provider: String,
    /// The same.
    pub model: String,
    /// Since the process began.
    pub usage: Usage,
    /// Of the last 60 minutes of event time, as far as this process has seen them.
    pub last_hour: Money,
}

/// The process's figures; clones are the same figures.
#[derive(Clone)]
pub struct SpendFigures(Arc<Mutex<All>>);

impl SpendFigures {
    /// With so many pairs of provider and model at most, and one for the others.
    pub fn new(most: usize) -> Self {
        let others = Pair { provider: OTHER.into(), model: OTHER.into(), usage: Usage::default(), last_hour: LastHour::EMPTY };
        SpendFigures(Arc::new(Mutex::new(All { most, by_name: HashMap::new(), pairs: vec![others] })))
    }

    fn all(&self) -> std::sync::MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of every pair that was seen.
    pub fn read(&self, now: Timestamp) -> Vec<PairFigures> {
        let all = self.all();
        let seen = all.pairs.iter().filter(|pair| pair.usage != Usage::default());
        let figures = seen.map(|pair| PairFigures {
            provider: pair.provider.to_string(),
            model: pair.model.to_string(),
            usage: pair.usage,
            last_hour: pair.last_hour.sum(now),
        });
        figures.collect()
    }

    /// Counts for one partition.
    pub fn counter(&self) -> SpendCounter {
        let remembered = std::iter::repeat_with(|| None).take(REMEMBERED).collect();
        SpendCounter { figures: self.clone(), remembered, counted: Vec::new(), touched: Vec::new(), spilled: Vec::new() }
    }
}

/// A pair that was found before.
struct Remembered {
    provider: Box<str>,
    model: Box<str>,
    place: usize,
}

/// See the module's documentation.
pub struct SpendCounter {
    figures: SpendFigures,
    /// By a cheap hash of the names; the newest one takes the place.
    remembered: Vec<Option<Remembered>>,
    /// By the pair's place.
    counted: Vec<Counted>,
    /// Places with something to hand over.
    touched: Vec<usize>,
    /// Place, minute and cost of minutes before the latest of their place.
    spilled: Vec<(usize, i64, i128)>,
}

/// Of one pair since the last time it was handed over.
#[derive(Clone, Copy, Default)]
struct Counted {
    usage: Usage,
    is_touched: bool,
    /// The latest event's minute, and what its events in a row cost.
    minute: i64,
    minute_cost: i128,
}

impl SpendCounter {
    /// Counts an event that was counted. Those that name no model are no calls to one.
    pub fn count(&mut self, event: &Event<'_>, priced: &PricedEvent) {
        let (provider, model) = (event.dimension(Dimension::Provider), event.dimension(Dimension::Model));
        if model.is_empty() {
            return;
        }
        let place = self.place(provider, model);
        let cost = priced.priced.cost.units();
        let counted = &mut self.counted[place];
        if !counted.is_touched {
            counted.is_touched = true;
            self.touched.push(place);
        }
        let usage = &mut counted.usage;
        usage.cost = usage.cost.wrapping_add(cost);
        if event.kind == Kind::Llm {
            usage.calls[usize::from(event.is_error())] += 1;
            let t = &event.tokens;
            let cache_write = t.cache_write_5m.saturating_add(t.cache_write_1h);
            for (usage, tokens) in usage.tokens.iter_mut().zip([t.uncached_input, t.cache_read, cache_write, t.output, t.reasoning]) {
                usage.observe(tokens);
            }
        }
        let minute = event.occurred_at.micros().div_euclid(MINUTE_US);
        if counted.minute == minute {
            counted.minute_cost = counted.minute_cost.wrapping_add(cost);
            return;
        }
        let before = (place, counted.minute, counted.minute_cost);
        (counted.minute, counted.minute_cost) = (minute, cost);
        if before.2 != 0 {
            self.spilled.push(before);
        }
        if self.spilled.len() >= SPILLED {
            self.hand_over();
        }
    }

    fn place(&mut self, provider: &str, model: &str) -> usize {
        let slot = hash(provider, model) % REMEMBERED;
        if let Some(found) = &self.remembered[slot]
            && *found.model == *model
            && *found.provider == *provider
        {
            return found.place;
        }
        let place = self.figures.all().pair(provider, model);
        if self.counted.len() <= place {
            self.counted.resize(place + 1, Counted::default());
        }
        self.remembered[slot] = Some(Remembered { provider: provider.into(), model: model.into(), place });
        place
    }

    /// Adds what was counted to the process's figures.
    pub fn hand_over(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        let mut all = self.figures.all();
        for (place, minute, cost) in self.spilled.drain(..) {
            all.pairs[place].last_hour.add(minute, cost);
        }
        for place in self.touched.drain(..) {
            let counted = std::mem::take(&mut self.counted[place]);
            all.pairs[place].usage.add(&counted.usage);
            all.pairs[place].last_hour.add(counted.minute, counted.minute_cost);
        }
    }
}

impl Drop for SpendCounter {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// What falls together is compared.
fn hash(provider: &str, model: &str) -> usize {
    (xxh3_64(provider.as_bytes()) ^ xxh3_64(model.as_bytes()).rotate_left(29)) as usize
}

#[cfg(test)]
mod tests {
    use schemas::measures::Priced;
    use schemas::rollup::CostStatus;
    use schemas::{Tokens, money};

    use super::*;

    fn event<'a>(provider: &'a str, model: &'a str, minute: i64) -> Event<'a> {
        let mut dimensions = [""; Dimension::COUNT];
        dimensions[Dimension::Provider as usize] = provider;
        dimensions[Dimension::Model as usize] = model;
        Event {
            source: "s",
            event_id: "e",
            occurred_at: Timestamp::from_micros(minute * MINUTE_US),
            kind: Kind::Llm,
            adjusts: "",
            dimensions,
            tokens: Tokens { uncached_input: 100, output: 101, ..Tokens::default() },
            usage_known: true,
            amount: None,
            revenue: None,
            latency_ms: None,
            status: "",
            error_type: "",
            tags: &[],
            attributes: &[],
        }
    }

    fn priced(cost: &str) -> PricedEvent {
        let cost: Result<Money, money::MoneyError> = cost.parse();
        PricedEvent {
            priced: Priced { cost: cost.unwrap(), revenue: Money::ZERO, unpriced: false },
            status: CostStatus::Priced,
            price_version: None,
            revenue_without_rate: false,
        }
    }

    fn read(figures: &SpendFigures, minute: i64) -> Vec<(String, [u64; 2], String, String)> {
        let read = figures.read(Timestamp::from_micros(minute * MINUTE_US)).into_iter();
        read.map(|pair| (pair.model, pair.usage.calls, pair.usage.cost().to_string(), pair.last_hour.to_string())).collect()
    }

    fn of(model: &str, calls: [u64; 2], cost: &str, last_hour: &str) -> (String, [u64; 2], String, String) {
        (model.to_owned(), calls, cost.to_owned(), last_hour.to_owned())
    }

    #[test]
    fn partitions_add_up_and_what_was_counted_stays_when_one_goes() {
        let figures = SpendFigures::new(10);
        let (mut one, mut other) = (figures.counter(), figures.counter());
        one.count(&event("p", "a", 1000), &priced("1.000000000000000001"));
        other.count(&event("p", "a", 1001), &priced("2"));
        other.count(&Event { status: "timeout", ..event("p", "b", 1001) }, &priced("-0.5"));
        assert_eq!(read(&figures, 1001), [], "handed over with a flush");
        other.hand_over();
        other.hand_over();
        drop(one);
        assert_eq!(
            read(&figures, 1001),
            [of("a", [2, 0], "3.000000000000000001", "3.000000000000000001"), of("b", [0, 1], "-0.5", "-0.5")]
        );
    }

    #[test]
    fn the_last_hour_is_sixty_minutes_of_event_time() {
        let figures = SpendFigures::new(10);
        let mut counter = figures.counter();
        // Out of order, and one that is a day old.
        for (minute, cost) in [(1000, "1"), (1059, "2"), (1060, "4"), (1000, "8"), (1030, "16"), (-440, "32")] {
            counter.count(&event("p", "a", minute), &priced(cost));
        }
        counter.hand_over();
        assert_eq!(read(&figures, 1060)[0].3, "22");
        assert_eq!(read(&figures, 1119)[0].3, "4");
        assert_eq!(read(&figures, 1120)[0].3, "0");
        assert_eq!(read(&figures, 1120)[0].2, "63");
    }

    #[test]
    fn pairs_beyond_the_limit_share_one() {
        let figures = SpendFigures::new(2);
        let mut counter = figures.counter();
        for round in 0..3 {
            for model in ["a", "b", "c", "d"] {
                counter.count(&event("p", model, 1000 + round), &priced("1"));
            }
        }
        counter.hand_over();
        let expected = [of(OTHER, [6, 0], "6", "6"), of("a", [3, 0], "3", "3"), of("b", [3, 0], "3", "3")];
        assert_eq!(read(&figures, 1003), expected);
    }

    #[test]
    fn names_that_fall_together_are_told_apart() {
        let figures = SpendFigures::new(5000);
        let mut counter = figures.counter();
        let models: Vec<String> = (0..2000).map(|number| format!("{number}-same-tail")).collect();
        for model in models.iter().chain(&models) {
            counter.count(&event("p", model, 0), &priced("1"));
        }
        counter.hand_over();
        let read = read(&figures, 0);
        assert!(read.len() == 2000 && read.iter().all(|pair| pair.1 == [2, 0]), "{}", read.len());
    }

    #[test]
    fn tokens_fall_into_the_bucket_of_the_first_bound_they_do_not_exceed() {
        let figures = SpendFigures::new(1);
        let mut counter = figures.counter();
        for input in [0, 1, 100, 101, 16_000, 16_001, -5] {
            let tokens = Tokens { uncached_input: input, ..Tokens::default() };
            counter.count(&Event { tokens, ..event("p", "a", 0) }, &priced("0"));
        }
        counter.hand_over();
        let usage = figures.read(Timestamp::from_micros(0))[0].usage.tokens[0];
        assert_eq!((usage.buckets, usage.sum), ([2, 1, 0, 0, 0, 0, 1, 1], 32_203));
    }

    #[test]
    fn an_event_without_a_model_is_no_call_and_a_correction_is_money_only() {
        let figures = SpendFigures::new(5);
        let mut counter = figures.counter();
        counter.count(&Event { kind: Kind::Cost, ..event("", "", 0) }, &priced("9"));
        counter.count(&Event { kind: Kind::Adjustment, ..event("p", "a", 0) }, &priced("-2"));
        counter.hand_over();
        assert_eq!(read(&figures, 0), [of("a", [0, 0], "-2", "-2")]);
    }

    /// How long it takes: `cargo test --release -p cost-rhythm --lib counting_costs -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn counting_costs_little() {
        let figures = SpendFigures::new(300);
        let mut counter = figures.counter();
        let models: Vec<String> = (0..20).map(|number| format!("claude-model-{number}-20251001")).collect();
        let events: Vec<Event<'_>> =
            (0..1024).map(|number| event("anthropic", &models[number * 7 % 20], 1000 + number as i64 / 200)).collect();
        let price = priced("0.0123");
        let begun = std::time::Instant::now();
        for _ in 0..2000 {
            for event in &events {
                counter.count(std::hint::black_box(event), &price);
            }
            counter.hand_over();
        }
        println!("{} ns an event", begun.elapsed().as_nanos() / 2_048_000);
    }
}
