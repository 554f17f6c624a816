//! LiteLLM's price file, `model_prices_and_context_window.json` (repository BerriAI/litellm), as unit prices of ours.
//!
//! Numbers are taken from their literals, digit by digit. What our price book cannot say (steps by prompt length, audio, images, searches) is left out and
//! told by name; a model whose price would be wrong without it is imported at its short-prompt price, as the shipped book has it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use schemas::Money;
use schemas::price_book::{STANDARD_TIER, UnitPrices};
use serde_json::value::RawValue;

/// The longest file that is read: the real one has about 2 MB.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 20;

/// Modes whose calls are paid by the token.
const MODES: [&str; 4] = ["chat", "completion", "responses", "embedding"];

/// What a field is called in each tier: our tier, and the end of LiteLLM's field names.
const TIERS: [(&str, &str); 4] = [(STANDARD_TIER, ""), ("batch", "_batches"), ("flex", "_flex"), ("priority", "_priority")];

/// The tokens that a field prices, without the tier's ending.
const FIELDS: [(&str, Bucket); 6] = [
    ("input_cost_per_token", Bucket::Input),
    ("cache_read_input_token_cost", Bucket::CacheRead),
    ("cache_creation_input_token_cost", Bucket::CacheWrite5m),
    ("cache_creation_input_token_cost_above_1hr", Bucket::CacheWrite1h),
    ("output_cost_per_token", Bucket::Output),
    ("output_cost_per_reasoning_token", Bucket::Reasoning),
];

/// The kinds of tokens that have a price of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bucket {
    Input,
    CacheRead,
    CacheWrite5m,
    CacheWrite1h,
    Output,
    Reasoning,
}

impl Bucket {
    /// In the order of price files.
    pub(super) const ALL: [Bucket; 6] =
        [Bucket::Input, Bucket::CacheRead, Bucket::CacheWrite5m, Bucket::CacheWrite1h, Bucket::Output, Bucket::Reasoning];

    /// As price files name it.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Bucket::Input => "input",
            Bucket::CacheRead => "cache_read",
            Bucket::CacheWrite5m => "cache_write_5m",
            Bucket::CacheWrite1h => "cache_write_1h",
            Bucket::Output => "output",
            Bucket::Reasoning => "reasoning",
        }
    }

    /// Its price.
    pub(super) fn of(self, unit: &mut UnitPrices) -> &mut Option<Money> {
        match self {
            Bucket::Input => &mut unit.input,
            Bucket::CacheRead => &mut unit.cache_read,
            Bucket::CacheWrite5m => &mut unit.cache_write_5m,
            Bucket::CacheWrite1h => &mut unit.cache_write_1h,
            Bucket::Output => &mut unit.output,
            Bucket::Reasoning => &mut unit.reasoning,
        }
    }
}

/// Provider, model, tier; lower case.
pub(super) type Name = (String, String, String);

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Import {
    /// Prices per token.
    pub prices: BTreeMap<Name, UnitPrices>,
    /// Left out: the reason, and the models (and fields) that it is about.
    pub left_out: BTreeMap<String, BTreeSet<String>>,
}

impl Import {
    fn leave_out(&mut self, reason: &str, what: String) {
        self.left_out.entry(reason.to_owned()).or_default().insert(what);
    }
}

/// Reads a file. `providers`: only these; empty: all.
///
/// # Errors
/// It is no such file.
pub(super) fn parse(text: &str, providers: &[String]) -> anyhow::Result<Import> {
    let models: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).context("CR-6101: expected LiteLLM's model_prices_and_context_window.json, a JSON object of models")?;
    let mut import = Import::default();
    let mut seen = 0;
    for (key, raw) in models {
        // An example of all fields, and rules of names: no models.
        if ["sample_spec", "fallback_generalizations"].contains(&key.as_str()) {
            continue;
        }
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) else {
            import.leave_out("no object", key);
            continue;
        };
        let Some(provider) = text_of(&fields, "litellm_provider") else {
            import.leave_out("no litellm_provider", key);
            continue;
        };
        seen += 1;
        let (provider, model) = our_names(&provider, &key);
        if providers.is_empty() || providers.contains(&provider) {
            take(&mut import, &provider, &model, &fields);
        }
    }
    if seen == 0 {
        bail!("CR-6101: no model has a litellm_provider: expected LiteLLM's model_prices_and_context_window.json");
    }
    Ok(import)
}

fn text_of(fields: &BTreeMap<String, &RawValue>, name: &str) -> Option<String> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// LiteLLM divides a provider by API (`vertex_ai-language-models`) and puts it before some of its models' names.
fn our_names(provider: &str, key: &str) -> (String, String) {
    let provider = provider.to_ascii_lowercase();
    let ours = match provider.as_str() {
        name if name.starts_with("vertex_ai") => "vertex_ai",
        name if name.starts_with("bedrock") => "bedrock",
        name if name.starts_with("azure") => "azure",
        "text-completion-openai" => "openai",
        name => name,
    };
    let key = key.to_ascii_lowercase();
    let model = [ours, provider.as_str()].iter().find_map(|before| key.strip_prefix(before)?.strip_prefix('/'));
    (ours.to_owned(), model.unwrap_or(&key).to_owned())
}

fn take(import: &mut Import, provider: &str, model: &str, fields: &BTreeMap<String, &RawValue>) {
    let shown = format!("{provider} / {model}");
    let mode = text_of(fields, "mode").unwrap_or_else(|| "chat".to_owned());
    if !MODES.contains(&mode.as_str()) {
        return import.leave_out(&format!("mode {mode}: not paid by the token"), shown);
    }
    let mut known = BTreeSet::new();
    for (tier, ending) in TIERS {
        let mut unit = UnitPrices::default();
        let mut problem = None;
        for (field, bucket) in FIELDS {
            let name = format!("{field}{ending}");
            let Some(raw) = fields.get(&name) else { continue };
            known.insert(name.clone());
            match unit_price(raw.get()) {
                Ok(price) => *bucket.of(&mut unit) = price,
                Err(reason) => problem = Some((reason, format!("{shown} / {tier}: {name} = {}", raw.get()))),
            }
        }
        if let Some((reason, what)) = problem {
            import.leave_out(reason, what);
            continue;
        }
        // Without a price of its own an hour in the cache is not known, and nothing is guessed.
        let is_paid = [unit.input, unit.output].into_iter().flatten().any(|price| price > Money::ZERO);
        match (unit == UnitPrices::default(), is_paid) {
            (true, _) => {}
            (false, false) => {
                import.leave_out("a price of 0, or none for input and output: not known is not free", format!("{shown} / {tier}"))
            }
            (false, true) => put(import, (provider.to_owned(), model.to_owned(), tier.to_owned()), unit),
        }
    }
    for name in fields.keys().filter(|name| name.contains("cost") && !known.contains(*name)) {
        let reason = if name.contains("_above_") && name.contains("_tokens") {
            "steps by prompt length, imported at the price of short prompts"
        } else {
            "prices that are not by the text token"
        };
        import.leave_out(reason, format!("{shown}: {name}"));
    }
}

fn put(import: &mut Import, name: Name, unit: UnitPrices) {
    match import.prices.get(&name) {
        Some(other) if *other != unit => {
            let (provider, model, tier) = name;
            import.leave_out("two entries with different prices, of which the first is imported", format!("{provider} / {model} / {tier}"));
        }
        Some(_) => {}
        None => {
            import.prices.insert(name, unit);
        }
    }
}

/// US dollars of a token, exactly; `null` is none.
fn unit_price(literal: &str) -> Result<Option<Money>, &'static str> {
    if literal == "null" {
        return Ok(None);
    }
    let text = literal.trim_matches('"');
    let plain = plain_decimal(text).ok_or("no number")?;
    match Money::parse(&plain) {
        Ok(price) if price.is_negative() => Err("a negative price"),
        Ok(price) => Ok(Some(price)),
        Err(_) => Err("finer than 10^-18 US dollars a token, or too large"),
    }
}

/// `1.25e-06` as `0.00000125`: the digits are moved, never computed with.
fn plain_decimal(literal: &str) -> Option<String> {
    let (number, exponent) = match literal.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (literal, 0),
    };
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{before}{after}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || !(-60..=20).contains(&exponent) || digits.len() > 60 {
        return None;
    }
    // Digits before the point after moving it.
    let point = i32::try_from(before.len()).ok()? + exponent;
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => (format!("{digits:0<point$}"), String::new()),
        Ok(point) => (digits[..point].to_owned(), digits[point..].to_owned()),
        Err(_) => (String::new(), format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize))),
    };
    let whole = if whole.is_empty() { "0" } else { &whole };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_moved_digit_by_digit() {
        for (literal, plain) in [
            ("1.25e-06", "0.00000125"),
            ("3e-6", "0.000003"),
            ("0.00000055", "0.00000055"),
            ("6.25E-08", "0.0000000625"),
            ("12.5e1", "125"),
            ("12.5e3", "12500"),
            ("1e+2", "100"),
            ("0", "0"),
            ("-1e-1", "-0.1"),
        ] {
            assert_eq!(plain_decimal(literal).as_deref(), Some(plain), "{literal}");
            assert!(Money::parse(plain).is_ok());
        }
        for literal in ["", ".", "e5", "1e", "1e999", "0x1", "1 2", "--1"] {
            assert_eq!(plain_decimal(literal), None, "{literal}");
        }
        // What a double makes of 0.0000002 elsewhere is not rounded to it.
        assert_eq!(unit_price("1.9999999999999998e-07"), Err("finer than 10^-18 US dollars a token, or too large"));
        assert_eq!(unit_price("1.99999999999e-07").unwrap().unwrap().to_string(), "0.000000199999999999");
    }

    /// In the shape of the real file, with made-up models and prices.
    const FILE: &str = r#"{
        "sample_spec": {"input_cost_per_token": "prose"},
        "acme-1": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07,
            "cache_creation_input_token_cost": 1.5e-06, "cache_creation_input_token_cost_above_1hr": 2.5e-06, "input_cost_per_token_above_200k_tokens": 2.5e-06,
            "input_cost_per_token_batches": 6.25e-07, "output_cost_per_token_batches": 5e-06, "input_cost_per_token_priority": 2.5e-06, "search_context_cost_per_query": {"a": 0.01}},
        "vertex_ai/thinker": {"litellm_provider": "vertex_ai-language-models", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "output_cost_per_reasoning_token": 3e-06},
        "thinker": {"litellm_provider": "vertex_ai-chat-models", "mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 2e-06},
        "free": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
        "painter": {"litellm_provider": "acme", "mode": "image_generation", "input_cost_per_token": 1e-06},
        "noisy": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1.9999999999999998e-07, "output_cost_per_token": 1e-06}
    }"#;

    fn left_out(import: &Import) -> Vec<String> {
        import.left_out.iter().flat_map(|(reason, what)| what.iter().map(move |what| format!("{reason}: {what}"))).collect()
    }

    #[test]
    fn tiers_buckets_and_names_are_ours_and_what_is_left_out_is_named() {
        let import = parse(FILE, &[]).unwrap();
        let price = |provider: &str, model: &str, tier: &str| import.prices.get(&(provider.to_owned(), model.to_owned(), tier.to_owned()));
        let texts = |unit: Option<&UnitPrices>| {
            let mut unit = *unit.unwrap();
            Bucket::ALL.map(|bucket| bucket.of(&mut unit).map(|price| price.to_string()).unwrap_or_default())
        };
        assert_eq!(texts(price("acme", "acme-1", "standard")), ["0.00000125", "0.000000125", "0.0000015", "0.0000025", "0.00001", ""]);
        assert_eq!(texts(price("acme", "acme-1", "batch")), ["0.000000625", "", "", "", "0.000005", ""]);
        assert_eq!(texts(price("acme", "acme-1", "priority")), ["0.0000025", "", "", "", "", ""]);
        assert_eq!(price("acme", "acme-1", "flex"), None);
        // Sorted by key, `thinker` comes first.
        assert_eq!(texts(price("vertex_ai", "thinker", "standard"))[0], "0.000002");
        assert_eq!(import.prices.len(), 4);
        assert_eq!(
            left_out(&import),
            [
                "a price of 0, or none for input and output: not known is not free: acme / free / standard",
                "finer than 10^-18 US dollars a token, or too large: acme / noisy / standard: input_cost_per_token = 1.9999999999999998e-07",
                "mode image_generation: not paid by the token: acme / painter",
                "prices that are not by the text token: acme / acme-1: search_context_cost_per_query",
                "steps by prompt length, imported at the price of short prompts: acme / acme-1: input_cost_per_token_above_200k_tokens",
                "two entries with different prices, of which the first is imported: vertex_ai / thinker / standard",
            ]
        );
        assert_eq!(parse(FILE, &["vertex_ai".to_owned()]).unwrap().prices.len(), 1);
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["", "[]", "{}", "{\"a\": 1}", "{\"a\": {\"price\": 1}}"] {
            assert!(format!("{:#}", parse(text, &[]).unwrap_err()).contains("CR-6101"), "{text:?}");
        }
    }
}
