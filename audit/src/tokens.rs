//! Token conventions: from what the producer says to disjoint counts.

use crate::Rejection;
use crate::fields::Fields;

/// Disjoint counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tokens {
    /// Neither read from nor written to a cache.
    pub uncached_input: i64,
    /// Read from a cache.
    pub cache_read: i64,
    /// Written for 5 minutes.
    pub cache_write_5m: i64,
    /// Written for an hour.
    pub cache_write_1h: i64,
    /// Without reasoning.
    pub output: i64,
    /// Reasoning.
    pub reasoning: i64,
}

/// Counts of an event and what was given of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) tokens: Tokens,
    /// Is any count given?
    pub(crate) any: bool,
    /// Is input given, and output unless nothing is put out?
    pub(crate) known: bool,
}

/// Takes the counts of an event whose `provider` and `operation` are known.
pub(crate) fn usage(fields: &mut Fields, provider: &str, operation: &str, signed: bool) -> Result<Usage, Rejection> {
    let convention = fields.text("token_convention")?;
    let convention = if convention.is_empty() { default_convention(provider) } else { &convention };
    let (caches_inside, reasoning_inside) = match convention {
        "inclusive" => (true, true),
        "cache_apart" => (false, true),
        "reasoning_apart" => (true, false),
        "exclusive" => (false, false),
        other => return Err(Rejection::new("unknown_token_convention", other)),
    };
    let input = fields.count("input_tokens", signed)?;
    let read = fields.count("cache_read_tokens", signed)?;
    let write = fields.count("cache_write_tokens", signed)?;
    let write_5m = fields.count("cache_write_5m_tokens", signed)?;
    let write_1h = fields.count("cache_write_1h_tokens", signed)?;
    let output = fields.count("output_tokens", signed)?;
    let reasoning = fields.count("reasoning_tokens", signed)?;
    let (short, long) = match (write, write_5m, write_1h) {
        (Some(sum), None, None) => (sum, 0),
        (Some(sum), short, long) if short.unwrap_or(0) + long.unwrap_or(0) != sum => {
            return Err(Rejection::new("inconsistent_tokens", "cache_write_tokens is not the sum of its parts"));
        }
        (_, short, long) => (short.unwrap_or(0), long.unwrap_or(0)),
    };
    let caches = read.unwrap_or(0) + short + long;
    let reasoning_count = reasoning.unwrap_or(0);
    if !signed && caches_inside && input.is_some_and(|input| caches > input) {
        return Err(Rejection::new("inconsistent_tokens", "caches are more than input_tokens"));
    }
    if !signed && reasoning_inside && output.is_some_and(|output| reasoning_count > output) {
        return Err(Rejection::new("inconsistent_tokens", "reasoning is more than output_tokens"));
    }
    let tokens = Tokens {
        uncached_input: input.map_or(0, |input| if caches_inside { input - caches } else { input }),
        cache_read: read.unwrap_or(0),
        cache_write_5m: short,
        cache_write_1h: long,
        output: output.map_or(0, |output| if reasoning_inside { output - reasoning_count } else { output }),
        reasoning: reasoning_count,
    };
    let any = [input, read, write, write_5m, write_1h, output, reasoning].iter().any(Option::is_some);
    let is_embedding = ["embedding", "embeddings"].contains(&operation.to_ascii_lowercase().as_str());
    // A correction names just the counts that it corrects.
    let known = (signed && any) || (input.is_some() && (output.is_some() || is_embedding));
    Ok(Usage { tokens, any, known })
}

fn default_convention(provider: &str) -> &'static str {
    match provider.to_ascii_lowercase().as_str() {
        "anthropic" | "bedrock" | "aws.bedrock" => "cache_apart",
        "google" | "gemini" | "vertex_ai" | "gcp.gemini" | "gcp.vertex_ai" => "reasoning_apart",
        _ => "inclusive",
    }
}
