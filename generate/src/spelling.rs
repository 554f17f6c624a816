//! How a producer spells a fact: in which convention, with which freedoms that the contract leaves. Buffers are reused.

use std::fmt::Write;

use schemas::tokens::{Convention, ReportedTokens};
use schemas::{Kind, Timestamp};

use crate::Fact;
use crate::clock::Clock;

macro_rules! fields {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// The fields of an event, in the order in which they are written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Field { $($variant),* }

        impl Field {
            pub(crate) const ALL: [Field; [$(Field::$variant),*].len()] = [$(Field::$variant),*];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Field::$variant => $name),* }
            }
        }
    };
}

fields! {
    EventId "event_id", Source "source", OccurredAt "occurred_at", Kind "kind", Adjusts "adjusts", Provider "provider", Model "model",
    Operation "operation", Service "service", Route "route", Feature "feature", TaskType "task_type", UserId "user_id", Team "team",
    Project "project", Environment "environment", CostCenter "cost_center", Owner "owner", Tags "tags", Convention "token_convention",
    Input "input_tokens", CacheRead "cache_read_tokens", CacheWrite "cache_write_tokens", CacheWrite5m "cache_write_5m_tokens",
    CacheWrite1h "cache_write_1h_tokens", Output "output_tokens", Reasoning "reasoning_tokens", Tier "tier", Amount "amount",
    Currency "currency", Revenue "revenue", RevenueCurrency "revenue_currency", LatencyMs "latency_ms", Status "status",
    ErrorType "error_type", Attributes "attributes",
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Member<'a> {
    Absent,
    Text(&'a str),
    Count(i64),
    /// An instant and its RFC 3339 text.
    Instant(Timestamp, &'a str),
    /// An object of one text.
    Pair(&'a str, &'a str),
}

/// Freedoms of spelling that do not change the meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Defaults are written out, amounts end in zeros, JSON has spaces and nulls.
    pub(crate) is_verbose: bool,
    /// The convention is not the provider's default but all counts apart, and said so.
    pub(crate) is_exclusive: bool,
}

/// One fact, spelled.
#[derive(Debug, Default)]
pub(crate) struct Spelling {
    pub(crate) event_id: String,
    user_id: String,
    adjusts: String,
    occurred_at: String,
    amount: String,
    revenue: String,
    clock: Clock,
    reported: ReportedTokens,
    convention: &'static str,
}

impl Spelling {
    pub(crate) fn spell(&mut self, fact: &Fact, style: Style) {
        for buffer in [&mut self.event_id, &mut self.user_id, &mut self.adjusts, &mut self.occurred_at, &mut self.amount, &mut self.revenue]
        {
            buffer.clear();
        }
        // Writing into a String cannot fail.
        let mut ok = write!(self.event_id, "{}", fact.id);
        if let Some(user) = fact.user {
            ok = ok.and(write!(self.user_id, "u-{user}"));
        }
        if let Some(adjusts) = fact.adjusts {
            ok = ok.and(write!(self.adjusts, "{adjusts}"));
        }
        for (buffer, money) in [(&mut self.amount, fact.amount.map(|(value, _)| value)), (&mut self.revenue, fact.revenue)] {
            let Some(money) = money else { continue };
            ok = ok.and(write!(buffer, "{money}"));
            if style.is_verbose {
                buffer.push_str(if buffer.contains('.') { "00" } else { ".00" });
            }
        }
        debug_assert!(ok.is_ok());
        self.clock.push(fact.occurred_at, &mut self.occurred_at);
        (self.reported, self.convention) = report(fact, style);
    }

    pub(crate) fn occurred_at(&self) -> &str {
        &self.occurred_at
    }

    /// The value of a field; what is given as nothing is absent.
    pub(crate) fn member<'a>(&'a self, fact: &'a Fact, style: Style, field: Field) -> Member<'a> {
        let text = |text: &'a str| if text.is_empty() { Member::Absent } else { Member::Text(text) };
        let count = |count: i64| if count == 0 && !style.is_verbose { Member::Absent } else { Member::Count(count) };
        match field {
            Field::EventId => Member::Text(&self.event_id),
            Field::Source => Member::Text(fact.source),
            Field::OccurredAt => Member::Instant(fact.occurred_at, &self.occurred_at),
            Field::Kind => Member::Text(fact.kind.name()),
            Field::Adjusts => text(&self.adjusts),
            Field::Provider => text(fact.provider),
            Field::Model => text(fact.model),
            Field::Operation => text(fact.operation),
            Field::Service => text(fact.service),
            Field::Route => text(fact.route),
            Field::Feature => text(fact.feature),
            Field::TaskType => text(fact.task_type),
            Field::UserId => text(&self.user_id),
            Field::Team => text(fact.team),
            Field::Project => text(fact.project),
            Field::Environment => text(fact.environment),
            Field::CostCenter => text(fact.cost_center),
            Field::Owner => text(fact.owner),
            Field::Tags if fact.region.is_empty() => Member::Absent,
            Field::Tags => Member::Pair("region", fact.region),
            Field::Attributes if fact.note.is_empty() => Member::Absent,
            Field::Attributes => Member::Pair("note", fact.note),
            Field::Tier if fact.is_batch => Member::Text("batch"),
            Field::Tier if style.is_verbose => Member::Text("standard"),
            Field::Tier => Member::Absent,
            Field::Amount => text(&self.amount),
            Field::Currency => fact.amount.map_or(Member::Absent, |(_, currency)| Member::Text(currency)),
            Field::Revenue => text(&self.revenue),
            Field::RevenueCurrency if fact.revenue.is_some() && style.is_verbose => Member::Text("usd"),
            Field::RevenueCurrency => Member::Absent,
            Field::LatencyMs => fact.latency_ms.map_or(Member::Absent, |ms| Member::Count(ms.cast_signed())),
            Field::Status => text(fact.status),
            Field::ErrorType => text(fact.error_type),
            _ if !fact.has_counts() => Member::Absent,
            Field::Convention => text(self.convention),
            Field::Input => self.reported.input.map_or(Member::Absent, Member::Count),
            Field::Output => self.reported.output.map_or(Member::Absent, Member::Count),
            Field::CacheRead => count(self.reported.cache_read),
            // Alone it means the 5-minute cache.
            Field::CacheWrite if style.is_verbose => Member::Count(self.reported.cache_write_5m + self.reported.cache_write_1h),
            Field::CacheWrite if self.reported.cache_write_1h == 0 => count(self.reported.cache_write_5m),
            Field::CacheWrite5m if style.is_verbose || self.reported.cache_write_1h != 0 => count(self.reported.cache_write_5m),
            Field::CacheWrite | Field::CacheWrite5m => Member::Absent,
            Field::CacheWrite1h => count(self.reported.cache_write_1h),
            Field::Reasoning => count(self.reported.reasoning),
        }
    }
}

/// What the producer reports for disjoint counts: the reverse of normalisation.
fn report(fact: &Fact, style: Style) -> (ReportedTokens, &'static str) {
    let tokens = &fact.tokens;
    let (convention, name) = match Convention::default_for(fact.provider) {
        _ if style.is_exclusive => (Convention::Exclusive, "exclusive"),
        convention if !style.is_verbose => (convention, ""),
        convention @ Convention::CacheApart => (convention, "cache_apart"),
        convention @ Convention::ReasoningApart => (convention, "reasoning_apart"),
        convention => (convention, "inclusive"),
    };
    let caches = tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;
    let caches_inside = matches!(convention, Convention::Inclusive | Convention::ReasoningApart);
    let reasoning_inside = matches!(convention, Convention::Inclusive | Convention::CacheApart);
    let reported = ReportedTokens {
        input: (fact.kind != Kind::Cost).then_some(tokens.uncached_input + if caches_inside { caches } else { 0 }),
        cache_read: tokens.cache_read,
        cache_write_5m: tokens.cache_write_5m,
        cache_write_1h: tokens.cache_write_1h,
        output: fact.output_given.then_some(tokens.output + if reasoning_inside { tokens.reasoning } else { 0 }),
        reasoning: tokens.reasoning,
    };
    (reported, name)
}
