//! Token counts and the conventions in which producers report them.

use serde::{Deserialize, Serialize};

/// Largest count that an event may carry in one field.
pub const MAX_TOKENS: i64 = 1_000_000_000_000;

/// Six disjoint counts: what lies in one lies in no other, so their sum is what was processed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tokens {
    /// Input that was neither read from nor written to a cache.
    pub uncached_input: i64,
    /// Input read from a cache.
    pub cache_read: i64,
    /// Input written to a cache that lives 5 minutes.
    pub cache_write_5m: i64,
    /// Input written to a cache that lives an hour.
    pub cache_write_1h: i64,
    /// Output without reasoning.
    pub output: i64,
    /// Reasoning.
    pub reasoning: i64,
}

/// Which counts lie inside which, as the producer reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// OpenAI, OpenTelemetry: caches inside input, reasoning inside output.
    Inclusive,
    /// Anthropic, Bedrock: caches beside input, reasoning inside output.
    CacheApart,
    /// Gemini: caches inside input, reasoning beside output.
    ReasoningApart,
    /// Everything beside everything.
    Exclusive,
}

/// A part is larger than the whole it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    /// Caches inside input sum up to more than it.
    #[error("cache tokens are more than input_tokens, which include them under this token_convention")]
    CacheBeyondInput,
    /// Reasoning inside output is more than it.
    #[error("reasoning_tokens are more than output_tokens, which include them under this token_convention")]
    ReasoningBeyondOutput,
}

/// Counts as a producer reports them; `None` is "not given".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportedTokens {
    /// `input_tokens`
    pub input: Option<i64>,
    /// `cache_read_tokens`
    pub cache_read: i64,
    /// `cache_write_5m_tokens`
    pub cache_write_5m: i64,
    /// `cache_write_1h_tokens`
    pub cache_write_1h: i64,
    /// `output_tokens`
    pub output: Option<i64>,
    /// `reasoning_tokens`
    pub reasoning: i64,
}

impl Convention {
    /// By its name in an event.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "inclusive" => Convention::Inclusive,
            "cache_apart" => Convention::CacheApart,
            "reasoning_apart" => Convention::ReasoningApart,
            "exclusive" => Convention::Exclusive,
            _ => return None,
        })
    }

    /// What the provider's own API does; `inclusive` where nothing is known.
    pub fn default_for(provider: &str) -> Self {
        let is = |name: &&str| provider.eq_ignore_ascii_case(name);
        if ["anthropic", "bedrock", "aws.bedrock"].iter().any(is) {
            Convention::CacheApart
        } else if ["google", "gemini", "vertex_ai", "gcp.gemini", "gcp.vertex_ai"].iter().any(is) {
            Convention::ReasoningApart
        } else {
            Convention::Inclusive
        }
    }
}

impl ReportedTokens {
    /// The six disjoint counts. A whole that is not given leaves its parts as they are. `signed` (adjustments) skips
    /// the check that a part is not larger than its whole.
    ///
    /// # Errors
    /// [`TokensError`] when a part is larger than its whole.
    pub fn disjoint(&self, convention: Convention, signed: bool) -> Result<Tokens, TokensError> {
        let caches = self.cache_read + self.cache_write_5m + self.cache_write_1h;
        let caches_inside = matches!(convention, Convention::Inclusive | Convention::ReasoningApart);
        let reasoning_inside = matches!(convention, Convention::Inclusive | Convention::CacheApart);
        let uncached_input = match self.input {
            Some(input) if caches_inside && caches > input && !signed => return Err(TokensError::CacheBeyondInput),
            Some(input) if caches_inside => input - caches,
            other => other.unwrap_or(0),
        };
        let output = match self.output {
            Some(output) if reasoning_inside && self.reasoning > output && !signed => return Err(TokensError::ReasoningBeyondOutput),
            Some(output) if reasoning_inside => output - self.reasoning,
            other => other.unwrap_or(0),
        };
        Ok(Tokens {
            uncached_input,
            cache_read: self.cache_read,
            cache_write_5m: self.cache_write_5m,
            cache_write_1h: self.cache_write_1h,
            output,
            reasoning: self.reasoning,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORTED: ReportedTokens =
        ReportedTokens { input: Some(1200), cache_read: 800, cache_write_5m: 50, cache_write_1h: 50, output: Some(300), reasoning: 100 };

    #[test]
    fn each_convention_gives_disjoint_counts() {
        let counts = |convention| {
            let t = REPORTED.disjoint(convention, false).unwrap();
            (t.uncached_input, t.output)
        };
        assert_eq!(counts(Convention::Inclusive), (300, 200));
        assert_eq!(counts(Convention::CacheApart), (1200, 200));
        assert_eq!(counts(Convention::ReasoningApart), (300, 300));
        assert_eq!(counts(Convention::Exclusive), (1200, 300));
    }

    #[test]
    fn a_part_larger_than_its_whole_is_refused_unless_signed() {
        let reported = ReportedTokens { input: Some(899), ..REPORTED };
        assert_eq!(reported.disjoint(Convention::Inclusive, false), Err(TokensError::CacheBeyondInput));
        assert!(reported.disjoint(Convention::Inclusive, true).is_ok());
        assert!(reported.disjoint(Convention::CacheApart, false).is_ok());
        let reported = ReportedTokens { output: Some(99), ..REPORTED };
        assert_eq!(reported.disjoint(Convention::CacheApart, false), Err(TokensError::ReasoningBeyondOutput));
    }

    #[test]
    fn a_missing_whole_leaves_its_parts() {
        let reported = ReportedTokens { input: None, output: None, ..REPORTED };
        let tokens = reported.disjoint(Convention::Inclusive, false).unwrap();
        assert_eq!((tokens.uncached_input, tokens.cache_read, tokens.output, tokens.reasoning), (0, 800, 0, 100));
    }
}
