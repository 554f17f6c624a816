use proptest::prelude::*;

use super::*;

const HAIKU: &str = r#"
[[price]]
provider = "anthropic"
model = "claude-haiku-4-5"
aliases = ["claude-haiku-4-5-20251001"]
per = 1_000_000
input = "1.00"
output = "5.00"
from = 2025-10-15T00:00:00Z
to = 2026-10-15T00:00:00Z
source = "price page"
"#;

fn parse(text: &str) -> Result<PriceBook, String> {
    PriceBook::parse_all(&[("prices.toml", text)]).map_err(|error| error.to_string())
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn a_version_is_in_force_from_inclusive_to_exclusive() {
    let book = parse(HAIKU).unwrap();
    let known = |instant| book.in_force_at("anthropic", "claude-haiku-4-5", "standard", at(instant)).is_some();
    assert!(!known("2025-10-14T23:59:59.999999Z"));
    assert!(known("2025-10-15T00:00:00Z"));
    assert!(known("2026-10-14T23:59:59.999999Z"));
    assert!(!known("2026-10-15T00:00:00Z"));
}

#[test]
fn names_are_found_in_any_case_and_through_aliases_and_tiers_stay_apart() {
    let book = parse(HAIKU).unwrap();
    assert_eq!(book.versions("Anthropic", "CLAUDE-haiku-4-5-20251001", "").len(), 1);
    assert_eq!(book.versions("anthropic", "claude-haiku-4-5", "Standard").len(), 1);
    assert_eq!(book.versions("anthropic", "claude-haiku-4-5", "batch").len(), 0);
    assert_eq!(book.versions("bedrock", "claude-haiku-4-5", "").len(), 0);
}

#[test]
fn overlaps_are_refused_naming_both() {
    let open = HAIKU.replace("to = 2026-10-15T00:00:00Z\n", "");
    let later = HAIKU.replace("2025-10-15", "2026-10-14").replace("2026-10-15", "2027-01-01").replace("price page", "second page");
    for (one, other) in [(HAIKU, later.as_str()), (&open, &later), (HAIKU, HAIKU)] {
        let error = PriceBook::parse_all(&[("a", other), ("b", one)]).unwrap_err().to_string();
        assert!(error.contains("in force at once") && error.contains("price page"), "{error}");
    }
    let error = PriceBook::parse_all(&[("a", &later), ("b", HAIKU)]).unwrap_err().to_string();
    assert!(error.contains("(price page)") && error.contains("(second page)"), "{error}");
    // One entry's alias is another's model.
    let alias = later.replace("\"claude-haiku-4-5\"", "\"CLAUDE-other\"").replace("4-5-20251001", "4-5");
    assert!(parse(&format!("{HAIKU}{alias}")).unwrap_err().contains("anthropic / claude-haiku-4-5 / standard"));
    let adjacent = later.replace("2026-10-14", "2026-10-15");
    assert_eq!(parse(&format!("{adjacent}{HAIKU}")).unwrap().versions("anthropic", "claude-haiku-4-5", "").len(), 2);
    let other_tier = later.replace("per =", "tier = \"batch\"\nper =");
    assert!(parse(&format!("{HAIKU}{other_tier}")).is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    for (from, to, expected) in [
        ("\"1.00\"", "1.00", "anthropic / claude-haiku-4-5 / standard: input: expected decimal text such as \"12.50\", found the number 1"),
        ("\"1.00\"", "1", "input: expected decimal text"),
        ("\"1.00\"", "\"-1\"", "input: expected zero or more, found -1"),
        ("\"1.00\"", "\"0.0000000000001\"", "input: 0.0000000000001 for 1000000 tokens is finer than 10^-18 USD per token"),
        ("\"1.00\"", "\"0.0000000000000000001\"", "input: more than 18 decimals"),
        ("1_000_000", "3", "input: 1 for 3 tokens is finer than 10^-18 USD per token"),
        ("1_000_000", "0", "per: expected 1 to 1000000000000 tokens, found 0"),
        ("per = 1_000_000\n", "", "missing field `per`"),
        ("\"5.00\"", "\"10000000000000\"", "output: expected at most 1000000 USD per token"),
        ("2026-10-15", "2025-10-15", "to: expected an instant after from"),
        ("2026-10-15T00:00:00Z", "2026-10-15", "to: expected an RFC 3339 time with an offset"),
        ("\"anthropic\"", "\"\"", "provider: expected a name"),
        ("aliases = [\"claude-haiku-4-5-20251001\"]", "aliases = [\"\"]", "aliases: expected names"),
        ("input = \"1.00\"\noutput = \"5.00\"\n", "", "expected at least one of input"),
        ("input", "inputs", "unknown field `inputs`"),
        ("source = \"price page\"\n", "", "missing field `source`"),
    ] {
        assert!(HAIKU.contains(from), "{from}");
        let message = parse(&HAIKU.replace(from, to)).unwrap_err();
        assert!(message.contains(expected) && message.starts_with("prices.toml: "), "{to}: {message}");
    }
}

#[test]
fn hashes_change_with_prices_and_not_with_spelling() {
    let book = parse(HAIKU).unwrap();
    // Written down: version ids stand in usage_events, the hash in snapshots.
    let golden = format!("{} {:032x} {:032x}", book.entries()[0].id, book.content_hash(), rules_hash(&book, &Rates::default()));
    assert_eq!(golden, include_str!("../../golden/price_hashes_v1.txt").trim());
    let same = HAIKU
        .replace("1_000_000\ninput = \"1.00\"\noutput = \"5.00\"", "1000\noutput = \"0.005\"\ninput = \"0.001\"")
        .replace("Haiku", "HAIKU")
        .replace("2025-10-15T00:00:00Z", "\"2025-10-15T09:00:00+09:00\"")
        .replace("price page", "another page");
    let same = parse(&same).unwrap();
    assert_eq!((&same.entries()[0].id, same.content_hash()), (&book.entries()[0].id, book.content_hash()));
    let dearer = parse(&HAIKU.replace("5.00", "5.01")).unwrap();
    assert_ne!(dearer.entries()[0].id, book.entries()[0].id);
    let alias = parse(&HAIKU.replace("20251001", "20251002")).unwrap();
    assert_eq!(alias.entries()[0].id, book.entries()[0].id);
    assert_ne!(alias.content_hash(), book.content_hash());
    let one_rate = "[[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.92\"\nfrom = 2023-01-01T00:00:00Z";
    assert_ne!(rules_hash(&book, &Rates::parse_all(&[("r", one_rate)]).unwrap()), rules_hash(&book, &Rates::default()));
}

#[test]
fn the_shipped_book_has_the_prices_of_the_product_page() {
    let book = parse(include_str!("../../../prices/public.toml")).unwrap();
    let now = at("2026-11-22T10:15:03Z");
    let in_2023 = at("2023-11-16T18:00:00Z");
    for (provider, model, instant, input, output) in [
        ("anthropic", "claude-3-haiku-20240307", now, "0.25", "1.25"),
        ("anthropic", "claude-3-sonnet-20240229", now, "3", "15"),
        ("anthropic", "claude-3-opus-20240229", now, "15", "75"),
        ("anthropic", "claude-haiku-4-5-20251001", now, "1", "5"),
        ("openai", "gpt-4", in_2023, "30", "60"),
        ("openai", "gpt-4-turbo", in_2023, "10", "30"),
        ("openai", "gpt-3.5-turbo", in_2023, "1.5", "2"),
        ("google", "gemini-pro", now, "0.5", "1.5"),
    ] {
        let unit = book.in_force_at(provider, model, "", instant).unwrap_or_else(|| panic!("{model}")).unit;
        let per_million = |price: Option<Money>| price.unwrap().checked_mul(1_000_000).unwrap().to_string();
        assert_eq!((per_million(unit.input).as_str(), per_million(unit.output).as_str()), (input, output), "{model}");
    }
}

proptest! {
    #[test]
    fn a_lookup_equals_a_search_through_all_versions(
        gaps in proptest::collection::vec((0_i64..4, 1_i64..5), 0..12), open: bool, instant in -1_i64..110,
    ) {
        let mut edge = 0;
        let mut versions: Vec<PriceVersion> = (0_u32..).zip(&gaps).map(|(entry, (gap, length))| {
            let from = edge + gap;
            edge = from + length;
            let instant = Timestamp::from_micros;
            PriceVersion { entry, from: instant(from), to: Some(instant(edge)), unit: UnitPrices::default() }
        }).collect();
        if let Some(last) = versions.last_mut().filter(|_| open) {
            last.to = None;
        }
        let at = Timestamp::from_micros(instant);
        let expected: Vec<&PriceVersion> = versions.iter().filter(|v| v.from <= at && v.to.is_none_or(|to| at < to)).collect();
        prop_assert!(expected.len() <= 1);
        prop_assert_eq!(in_force_at(&versions, at), expected.first().copied());
    }
}
