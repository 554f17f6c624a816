//! Why a message is a dead letter: stable codes, documented in `docs/REASONS.md`.

use std::fmt;

macro_rules! reasons {
    ($($variant:ident $code:literal $doc:literal),* $(,)?) => {
        /// The stable code of a refusal, as it stands in the header `cr_reason`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $(#[doc = $doc] $variant),* }

        impl Reason {
            /// All codes.
            pub const ALL: [Reason; [$(Reason::$variant),*].len()] = [$(Reason::$variant),*];

            /// The code's text.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code),* }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Reason::$variant => $doc),* }
            }
        }
    };
}

reasons! {
    MissingField "missing_field" "A required field is missing, null or empty.",
    WrongType "wrong_type" "A field has a JSON or Avro type that it must not have.",
    OutOfRange "out_of_range" "A number, amount or time lies outside its accepted range.",
    BadTimestamp "bad_timestamp" "A time is not RFC 3339 with an offset.",
    BadNumber "bad_number" "A count is no integer literal, or an amount no decimal number.",
    BadCurrency "bad_currency" "A currency is not a code of three letters.",
    UnknownKind "unknown_kind" "The kind is none of llm, cost, adjustment.",
    UnknownTokenConvention "unknown_token_convention" "The token convention is none of inclusive, cache_apart, reasoning_apart, exclusive.",
    InconsistentTokens "inconsistent_tokens" "A token count is larger than the count that includes it, or does not add up.",
    InconsistentAdjustment "inconsistent_adjustment" "An adjustment has both or neither of an amount and token counts.",
    NotJson "not_json" "The payload is no valid JSON.",
    NotAnObject "not_an_object" "The payload is JSON, but no object.",
    DuplicateKey "duplicate_key" "A known key stands twice in one object.",
    TooDeep "too_deep" "Objects and arrays are nested deeper than 64 levels.",
    TooLarge "too_large" "The event is larger than 1 MiB.",
    InvalidUtf8 "invalid_utf8" "A text is not valid UTF-8, or holds a lone surrogate.",
    EmptyPayload "empty_payload" "The payload is empty.",
    Tombstone "tombstone" "The message has no payload at all.",
    ByteOrderMark "byte_order_mark" "The payload begins with a byte order mark.",
    UnknownFormat "unknown_format" "The payload is neither JSON, Avro nor a CloudEvent.",
    MalformedAvro "malformed_avro" "The Avro payload is cut short or not of its schema.",
    TrailingBytes "trailing_bytes" "Bytes follow the end of the event.",
    UnknownSchema "unknown_schema" "The registry does not know the schema id, no registry is configured, or the fingerprint is unknown.",
    IncompatibleSchema "incompatible_schema" "The writer's schema cannot be read as a usage event.",
    UnsupportedCloudEvent "unsupported_cloudevent" "A CloudEvent of another version, a batch, or with data_base64.",
    IdentityMismatch "identity_mismatch" "The CloudEvent's id or source differs from its data's.",
    OccurredAtInFuture "occurred_at_in_future" "The event time is more than 5 minutes after the record's Kafka timestamp.",
    TooLate "too_late" "The event is more than 35 days older than the newest one of its partition.",
    Conflict "conflict" "An event of the same identity but another meaning was counted before.",
    SumOverflow "sum_overflow" "Counting the event would overflow a window's sum of money.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A refusal: the code, and a text that names field, value and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// The stable code.
    pub reason: Reason,
    /// Field, value and remedy, at most about 500 bytes.
    pub detail: String,
}

impl Rejection {
    /// A refusal with its detail.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Rejection { reason, detail: detail.into() }
    }
}
