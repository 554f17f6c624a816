use proptest::prelude::*;
use schemas::{Dimension, Timestamp};

use super::*;

const BOOK: &str = r#"
[[price]]
provider = "anthropic"
model = "haiku"
aliases = ["haiku-1"]
per = 1_000_000
input = "1.00"
cache_read = "0.10"
output = "5.00"
from = 2026-01-01T00:00:00Z
to = 2026-07-01T00:00:00Z
source = "a"

[[price]]
provider = "anthropic"
model = "haiku"
per = 1_000
input = "0.002"
output = "0.010"
reasoning = "0.001"
from = 2026-07-01T00:00:00Z
source = "b"
"#;
const RATES: &str = "[[rate]]\ncurrency = \"KRW\"\nper_usd = \"1380.50\"\nfrom = 2026-01-01T00:00:00Z\n";
const TOKENS: Tokens = Tokens { uncached_input: 1000, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 100, reasoning: 0 };

fn pricer(prefer: Prefer) -> Pricer {
    let book = PriceBook::parse_all(&[("book", BOOK)]).unwrap();
    Pricer::new(Arc::new(book), Arc::new(Rates::parse_all(&[("rates", RATES)]).unwrap()), prefer)
}

fn event(kind: Kind) -> Event<'static> {
    let mut dimensions = [""; Dimension::COUNT];
    dimensions[Dimension::Provider as usize] = "anthropic";
    dimensions[Dimension::Model as usize] = "haiku";
    Event {
        source: "s",
        event_id: "1",
        occurred_at: Timestamp::parse("2026-06-01T00:00:00Z").unwrap(),
        kind,
        adjusts: "",
        dimensions,
        tokens: TOKENS,
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

fn amount(value: &str, currency: &str) -> Option<Amount> {
    Some(Amount { value: value.parse().unwrap(), currency: currency.parse().unwrap() })
}

fn price_with(pricer: &Pricer, event: &Event<'_>) -> Result<PricedEvent, Rejection> {
    let name = |dimension| event.dimension(dimension);
    let slot = pricer.resolve(name(Dimension::Provider), name(Dimension::Model), name(Dimension::Tier));
    pricer.price(slot, event)
}

fn price(event: &Event<'_>) -> (String, CostStatus) {
    let priced = price_with(&pricer(Prefer::Book), event).unwrap();
    assert_eq!(priced.priced.unpriced, priced.status == CostStatus::Unpriced);
    (priced.priced.cost.to_string(), priced.status)
}

fn unpriced() -> (String, CostStatus) {
    ("0".to_owned(), CostStatus::Unpriced)
}

#[test]
fn a_call_costs_what_the_version_in_force_at_its_event_time_says() {
    let before = Event { occurred_at: Timestamp::parse("2026-06-30T23:59:59.999999Z").unwrap(), ..event(Kind::Llm) };
    let after = Event { occurred_at: Timestamp::parse("2026-07-01T00:00:00Z").unwrap(), ..event(Kind::Llm) };
    let too_early = Event { occurred_at: Timestamp::parse("2025-12-31T23:59:59.999999Z").unwrap(), ..event(Kind::Llm) };
    assert_eq!(price(&before), ("0.0015".to_owned(), CostStatus::Priced));
    assert_eq!(price(&after), ("0.003".to_owned(), CostStatus::Priced));
    assert_eq!(price(&too_early), unpriced());
    let pricer = pricer(Prefer::Book);
    let ids = [&before, &after].map(|event| pricer.version_text(price_with(&pricer, event).unwrap().price_version.unwrap()));
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() == 16), "{ids:?}");
}

#[test]
fn a_tier_has_its_own_price_or_none() {
    let mut batch = event(Kind::Llm);
    batch.dimensions[Dimension::Tier as usize] = "batch";
    assert_eq!(price(&batch), unpriced());
    batch.dimensions[Dimension::Tier as usize] = "standard";
    assert_eq!(price(&batch).1, CostStatus::Priced);
}

#[test]
fn names_are_looked_up_in_any_case_and_through_aliases() {
    let mut other = event(Kind::Llm);
    other.dimensions[Dimension::Provider as usize] = "Anthropic";
    other.dimensions[Dimension::Model as usize] = "HAIKU-1";
    assert_eq!(price(&other).0, "0.0015");
    other.dimensions[Dimension::Model as usize] = "haiku-2";
    assert_eq!(price(&other), unpriced());
}

#[test]
fn a_bucket_with_tokens_and_no_price_makes_the_event_unpriced() {
    for tokens in [Tokens { cache_write_5m: 1, ..TOKENS }, Tokens { cache_write_1h: 1, ..TOKENS }] {
        assert_eq!(price(&Event { tokens, ..event(Kind::Llm) }), unpriced());
    }
    assert_eq!(price(&Event { tokens: Tokens { cache_read: 10, ..TOKENS }, ..event(Kind::Llm) }).0, "0.001501");
}

#[test]
fn reasoning_costs_as_output_where_it_has_no_price() {
    let tokens = Tokens { reasoning: 100, ..TOKENS };
    assert_eq!(price(&Event { tokens, ..event(Kind::Llm) }).0, "0.002");
    let own_price = Event { tokens, occurred_at: Timestamp::parse("2026-08-01T00:00:00Z").unwrap(), ..event(Kind::Llm) };
    assert_eq!(price(&own_price).0, "0.0031");
}

#[test]
fn a_call_without_tokens_costs_nothing_and_is_priced() {
    assert_eq!(price(&Event { tokens: Tokens::default(), ..event(Kind::Llm) }), ("0".to_owned(), CostStatus::Priced));
}

#[test]
fn unknown_usage_is_unpriced_unless_the_producer_knows_the_amount() {
    let unknown = Event { usage_known: false, ..event(Kind::Llm) };
    assert_eq!(price(&unknown), unpriced());
    assert_eq!(price(&Event { amount: amount("2", "USD"), ..unknown }), ("2".to_owned(), CostStatus::Reported));
}

#[test]
fn the_books_price_goes_before_the_reported_amount_or_after_it_if_so_configured() {
    let both = Event { amount: amount("2", "USD"), ..event(Kind::Llm) };
    assert_eq!(price(&both), ("0.0015".to_owned(), CostStatus::Priced));
    let reported = |event: &Event<'_>| {
        let priced = price_with(&pricer(Prefer::Reported), event).unwrap();
        (priced.priced.cost.to_string(), priced.status)
    };
    assert_eq!(reported(&both), ("2".to_owned(), CostStatus::Reported));
    assert_eq!(reported(&event(Kind::Llm)).1, CostStatus::Priced);
    assert_eq!(reported(&Event { amount: amount("2", "CHF"), ..event(Kind::Llm) }).1, CostStatus::Priced);
    let mut unlisted = both;
    unlisted.dimensions[Dimension::Model as usize] = "x";
    assert_eq!(price(&unlisted), ("2".to_owned(), CostStatus::Reported));
}

#[test]
fn an_amount_is_converted_by_the_rate_of_its_event_time() {
    let won = Event { amount: amount("1380.50", "KRW"), ..event(Kind::Cost) };
    assert_eq!(price(&won), ("1".to_owned(), CostStatus::Amount));
    let pricer = pricer(Prefer::Book);
    let version = price_with(&pricer, &won).unwrap().price_version.unwrap();
    assert_eq!(pricer.version_text(version), "KRW@2026-01-01T00:00:00.000000Z");
    let too_early = Event { occurred_at: Timestamp::parse("2025-12-31T00:00:00Z").unwrap(), ..won.clone() };
    assert_eq!(price(&too_early), unpriced());
    assert_eq!(price(&Event { amount: amount("1", "CHF"), ..won.clone() }), unpriced());
    assert_eq!(price(&Event { amount: amount("-0.5", "USD"), ..won }), ("-0.5".to_owned(), CostStatus::Amount));
}

#[test]
fn an_amount_of_a_billion_dollars_is_the_most() {
    let cost = |value, currency| price_with(&pricer(Prefer::Book), &Event { amount: amount(value, currency), ..event(Kind::Cost) });
    assert!(cost("1000000000", "USD").is_ok() && cost("-1000000000", "USD").is_ok());
    for value in ["1000000000.000000000000000001", "-1000000000.000000000000000001", "99999999999999999999"] {
        let rejection = cost(value, "USD").unwrap_err();
        assert!(rejection.reason == Reason::OutOfRange && rejection.detail.starts_with("amount: "), "{rejection}");
    }
    assert!(cost("1380500000000", "KRW").is_ok());
    assert!(cost("1380500000001", "KRW").is_err());
    let dear = Event { tokens: Tokens { output: 1_000_000_000_000_000, ..TOKENS }, ..event(Kind::Llm) };
    assert_eq!(price_with(&pricer(Prefer::Book), &dear).unwrap_err().reason, Reason::OutOfRange);
    let revenue = Event { revenue: amount("1000000001", "USD"), ..event(Kind::Llm) };
    assert!(price_with(&pricer(Prefer::Book), &revenue).unwrap_err().detail.starts_with("revenue: "));
}

#[test]
fn revenue_without_a_rate_counts_nothing_and_says_so() {
    let revenue = |value, currency| {
        let priced = price_with(&pricer(Prefer::Book), &Event { revenue: amount(value, currency), ..event(Kind::Llm) }).unwrap();
        (priced.priced.revenue.to_string(), priced.revenue_without_rate, priced.status)
    };
    assert_eq!(revenue("0.02", "USD"), ("0.02".to_owned(), false, CostStatus::Priced));
    assert_eq!(revenue("2761", "KRW"), ("2".to_owned(), false, CostStatus::Priced));
    assert_eq!(revenue("2", "CHF"), ("0".to_owned(), true, CostStatus::Priced));
}

#[test]
fn an_adjustment_is_priced_by_its_signed_counts_or_its_signed_amount() {
    let void = Event { tokens: Tokens { uncached_input: -1000, output: -100, ..Tokens::default() }, ..event(Kind::Adjustment) };
    assert_eq!(price(&void), ("-0.0015".to_owned(), CostStatus::Priced));
    let credit = Event { tokens: Tokens::default(), amount: amount("-3", "USD"), ..event(Kind::Adjustment) };
    assert_eq!(price(&credit), ("-3".to_owned(), CostStatus::Amount));
    assert_eq!(price(&Event { amount: amount("-3", "CHF"), ..credit }), unpriced());
}

#[test]
fn a_void_is_the_exact_negation_of_its_call_by_the_book_that_was_in_force_when_that_occurred() {
    let pricer = pricer(Prefer::Book);
    let negated = Tokens { uncached_input: -1234, cache_read: -7, output: -89, reasoning: -5, ..Tokens::default() };
    let counts = Tokens { uncached_input: 1234, cache_read: 7, output: 89, reasoning: 5, ..Tokens::default() };
    // The later book has no price of what was read from the cache.
    for (time, cache_read, cost) in [("2026-06-30T23:59:59.999999Z", 7, "0.0017047"), ("2026-07-01T00:00:00Z", 0, "0.003363")] {
        let occurred_at = Timestamp::parse(time).unwrap();
        let call = Event { occurred_at, tokens: Tokens { cache_read, ..counts }, ..event(Kind::Llm) };
        let void = Event { occurred_at, tokens: Tokens { cache_read: -cache_read, ..negated }, ..event(Kind::Adjustment) };
        let [call, void] = [&call, &void].map(|event| price_with(&pricer, event).unwrap());
        assert_eq!(call.priced.cost.to_string(), cost);
        assert_eq!(void.priced.cost, Money::from_units(-call.priced.cost.units()));
        assert_eq!((void.price_version, void.status), (call.price_version, CostStatus::Priced));
    }
    let won = |text| price(&Event { tokens: Tokens::default(), amount: amount(text, "KRW"), ..event(Kind::Adjustment) }).0;
    assert_eq!(won("-1"), format!("-{}", won("1")), "the 18th decimal is rounded the same way");
}

#[test]
fn the_rules_hash_changes_with_the_preference() {
    assert_ne!(pricer(Prefer::Book).rules_hash(), pricer(Prefer::Reported).rules_hash());
    assert_ne!(pricer(Prefer::Book).rules_hash(), Pricer::without_prices().rules_hash());
}

/// The sum of count times price in plain long multiplication over decimal digits, least significant first.
fn long_multiplication(counts: &[(u64, u64)]) -> String {
    let digits = |mut number: u64| {
        let mut list = Vec::new();
        while number > 0 {
            list.push((number % 10) as u32);
            number /= 10;
        }
        list
    };
    let mut sum = [0_u32; 45];
    for (count, unit) in counts {
        for (i, a) in digits(*count).into_iter().enumerate() {
            for (j, b) in digits(*unit).into_iter().enumerate() {
                sum[i + j] += a * b;
            }
        }
    }
    for i in 0..sum.len() - 1 {
        sum[i + 1] += sum[i] / 10;
        sum[i] %= 10;
    }
    let text: String = sum.iter().rev().map(|digit| char::from_digit(*digit, 10).unwrap()).collect();
    text.trim_start_matches('0').to_owned()
}

proptest! {
    #[test]
    fn the_sum_of_buckets_equals_long_multiplication(
        counts in proptest::array::uniform6(0_u64..1_000_000_000_000), prices in proptest::array::uniform6(prop_oneof![0_u64..10_u64.pow(15), 0..10_u64.pow(19)]),
    ) {
        let price = |index: usize| Some(Money::from_units(prices[index].into()));
        let unit = UnitPrices {
            input: price(0), cache_read: price(1), cache_write_5m: price(2), cache_write_1h: price(3), output: price(4), reasoning: price(5),
        };
        let [uncached_input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = counts.map(|count| count as i64);
        let tokens = Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, output, reasoning };
        let pairs: Vec<(u64, u64)> = counts.into_iter().zip(prices).collect();
        let expected = long_multiplication(&pairs);
        let BucketSum::Exact(sum) = sum_of_buckets(&unit, &tokens) else { panic!("no sum") };
        prop_assert_eq!(sum.units().to_string(), if expected.is_empty() { "0".to_owned() } else { expected });
    }

    #[test]
    fn a_conversion_is_the_nearest_unit_and_even_in_the_middle(value in -(10_i128.pow(18))..10_i128.pow(18), rate in 1_i64..2_000) {
        // A whole rate r: value / r, so that remainders are plain integers.
        let text = RATES.replace("1380.50", &rate.to_string());
        let rates = Rates::parse_all(&[("rates", &text)]).unwrap();
        let pricer = Pricer::new(Arc::default(), Arc::new(rates), Prefer::Book);
        let won = Some(Amount { value: Money::from_units(value), currency: "KRW".parse().unwrap() });
        let cost = pricer.price(PriceSlot::UNKNOWN, &Event { amount: won, ..event(Kind::Cost) }).unwrap().priced.cost.units();
        let rest = (value - cost * i128::from(rate)).abs() * 2;
        prop_assert!(rest < i128::from(rate) || (rest == i128::from(rate) && cost % 2 == 0));
    }
}

/// `cargo test --release -p processor -- --ignored --nocapture pricing_speed`
#[test]
#[ignore = "prints a figure"]
fn pricing_speed() {
    let pricer = pricer(Prefer::Book);
    let slot = pricer.resolve("anthropic", "haiku", "");
    let events: Vec<Event<'_>> = (0..1024)
        .map(|n| Event { tokens: Tokens { uncached_input: n, cache_read: 7, reasoning: 3, ..TOKENS }, ..event(Kind::Llm) })
        .collect();
    let start = std::time::Instant::now();
    let mut sum = 0_i128;
    for _ in 0..10_000 {
        for event in &events {
            sum += pricer.price(slot, std::hint::black_box(event)).unwrap().priced.cost.units();
        }
    }
    println!("{:.1} ns per event ({sum})", start.elapsed().as_nanos() as f64 / 10_240_000.0);
}
