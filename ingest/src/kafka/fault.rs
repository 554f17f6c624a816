//! What an error on a partition's queue means.
//!
//! | error | what librdkafka does | for us |
//! |---|---|---|
//! | `__AUTO_OFFSET_RESET`, `OFFSET_OUT_OF_RANGE` | stops (we never let it reset) | fatal: retention, or a topic made anew |
//! | `__LOG_TRUNCATION` | stops | fatal: the log was cut behind us (unclean leader election) |
//! | `__BAD_MSG`, `CORRUPT_MESSAGE`, `__BAD_COMPRESSION`, `__NOT_IMPLEMENTED` | *skips* the batch | fatal: events would be missing |
//! | `MSG_SIZE_TOO_LARGE` | asks again for ever | fatal: a limit has to be raised |
//! | `__UNKNOWN_TOPIC`, `__UNKNOWN_PARTITION`, `UNKNOWN_TOPIC_OR_PART` | stops after a while | fatal: the topic was deleted |
//! | `__FATAL`, `FENCED_INSTANCE_ID` | the client is dead | fatal |
//! | `__MAX_POLL_EXCEEDED`, `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION` | leaves the group | lost |
//! | everything else (authorisation, brokers, storage) | retries from the same offset | transient |

use rdkafka_sys::rd_kafka_resp_err_t as Code;
use runtime::io::IoError;

/// The meaning of an error code other than end of partition; `place` names topic, partition and offset.
pub(super) fn classify(code: Code, place: &str, text: &str) -> IoError {
    let fatal = |remedy: &str| IoError::Fatal(format!("{place}: {text}; {remedy}"));
    match code {
        Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET | Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => fatal(
            "the log does not have this offset (any more): retention has removed it, or the topic was made anew; it is not skipped \
             silently, see \"offset out of range\" in docs/OPERATIONS.md",
        ),
        Code::RD_KAFKA_RESP_ERR__LOG_TRUNCATION => {
            fatal("the log was cut behind this reader (unclean leader election): offsets already counted may now hold other events")
        }
        Code::RD_KAFKA_RESP_ERR__BAD_MSG
        | Code::RD_KAFKA_RESP_ERR_INVALID_MSG
        | Code::RD_KAFKA_RESP_ERR__BAD_COMPRESSION
        | Code::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED => {
            fatal("the batch at this offset cannot be read: if a restart does not help it is damaged on the broker's disk")
        }
        Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => {
            fatal("raise receive.message.max.bytes and fetch_max_bytes above the topic's max.message.bytes")
        }
        Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        | Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => fatal("the topic or partition does not exist (any more)"),
        Code::RD_KAFKA_RESP_ERR__FATAL | Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID => {
            fatal("the client is broken for good: the consumer must be restarted")
        }
        Code::RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED
        | Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        | Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION => IoError::Lost,
        _ => IoError::Transient(format!("{place}: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_would_skip_or_reset_is_fatal_and_says_where() {
        for code in [
            Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
            Code::RD_KAFKA_RESP_ERR__BAD_MSG,
            Code::RD_KAFKA_RESP_ERR__BAD_COMPRESSION,
            Code::RD_KAFKA_RESP_ERR__LOG_TRUNCATION,
        ] {
            let error = classify(code, "usage-events[3]@17", "words");
            assert!(matches!(&error, IoError::Fatal(text) if text.starts_with("usage-events[3]@17: words")), "{error:?}");
        }
    }

    #[test]
    fn what_the_client_retries_by_itself_is_transient() {
        for code in [Code::RD_KAFKA_RESP_ERR__TRANSPORT, Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED] {
            assert!(matches!(classify(code, "t[0]@1", "words"), IoError::Transient(_)));
        }
    }
}
