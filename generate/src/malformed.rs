//! Messages that must be refused, each with exactly one fault, and the reason that must be given.

use schemas::Reason;

use crate::Fact;
use crate::json::Override::{Omit, Raw};
use crate::json::{Override, push_event};
use crate::message_encoder::{Encoded, MessageEncoder};
use crate::random::Random;
use crate::spelling::{Field, Style};

/// Faults of one field in an otherwise good call to an OpenAI model.
const CALL_FAULTS: [(Field, Override, Reason); 32] = [
    (Field::EventId, Omit, Reason::MissingField),
    (Field::EventId, Raw(b"{}"), Reason::WrongType),
    (Field::Source, Raw(b"\"\""), Reason::MissingField),
    (Field::OccurredAt, Omit, Reason::MissingField),
    (Field::OccurredAt, Raw(b"\"2026-01-22T10:15:60Z\""), Reason::BadTimestamp),
    (Field::OccurredAt, Raw(b"\"2026-01-22T10:15:03\""), Reason::BadTimestamp),
    (Field::OccurredAt, Raw(b"\"yesterday\""), Reason::BadTimestamp),
    (Field::Kind, Raw(b"null"), Reason::MissingField),
    (Field::Kind, Raw(b"\"sale\""), Reason::UnknownKind),
    (Field::Provider, Raw(b"null"), Reason::MissingField),
    (Field::Provider, Raw(b"\"openai\",\"provider\":\"openai\""), Reason::DuplicateKey),
    (Field::Model, Omit, Reason::MissingField),
    (Field::Input, Raw(b"-1"), Reason::OutOfRange),
    (Field::Input, Raw(b"1000000000001"), Reason::OutOfRange),
    (Field::Input, Raw(b"18446744073709551616"), Reason::OutOfRange),
    (Field::Input, Raw(b"12.0"), Reason::BadNumber),
    (Field::Input, Raw(b"1e3"), Reason::BadNumber),
    (Field::Input, Raw(b"\"12\""), Reason::WrongType),
    (Field::Input, Raw(b"[12]"), Reason::WrongType),
    (Field::Input, Raw(b"012"), Reason::NotJson),
    (Field::Input, Raw(b"NaN"), Reason::NotJson),
    (Field::CacheRead, Raw(b"900000000000"), Reason::InconsistentTokens),
    (Field::Reasoning, Raw(b"900000000000"), Reason::InconsistentTokens),
    (Field::Convention, Raw(b"\"both\""), Reason::UnknownTokenConvention),
    (Field::LatencyMs, Raw(b"-5"), Reason::OutOfRange),
    (Field::LatencyMs, Raw(b"\"fast\""), Reason::WrongType),
    (Field::Status, Raw(b"[\"ok\"]"), Reason::WrongType),
    (Field::Tags, Raw(b"[]"), Reason::WrongType),
    (Field::Tags, Raw(b"{\"a\":{}}"), Reason::WrongType),
    (Field::Route, Raw(b"\"\\ud800\""), Reason::InvalidUtf8),
    (Field::Feature, Raw(b"\"\xff\""), Reason::InvalidUtf8),
    (Field::Feature, Raw(b"\"a\x01b\""), Reason::NotJson),
];

/// Faults of one field in an otherwise good cloud cost line in US dollars.
const COST_FAULTS: [(Field, Override, Reason); 8] = [
    (Field::Amount, Omit, Reason::MissingField),
    (Field::Currency, Omit, Reason::MissingField),
    (Field::Currency, Raw(b"\"EURO\""), Reason::BadCurrency),
    (Field::Amount, Raw(b"\"1,50\""), Reason::BadNumber),
    (Field::Amount, Raw(b"\"1e3\""), Reason::BadNumber),
    (Field::Amount, Raw(b"true"), Reason::WrongType),
    (Field::Amount, Raw(b"\"1000000000.01\""), Reason::OutOfRange),
    (Field::Amount, Raw(b"-1.00000000000000001e9"), Reason::OutOfRange),
];

/// Faults of the payload as a whole.
const PAYLOAD_FAULTS: u64 = 16;

/// Refuses nobody would miss: an unknown schema id.
const NO_SUCH_SCHEMA: u32 = 0x7fff_fff0;

/// Makes a malformed message out of a good call and a good cost line.
pub(crate) fn malformed(random: &mut Random, encoder: &mut MessageEncoder, call: &Fact, cost: &Fact) -> (Encoded, Reason) {
    let kinds = CALL_FAULTS.len() as u64 + COST_FAULTS.len() as u64 + PAYLOAD_FAULTS;
    let kind = random.below(kinds);
    let (fact, faults, kind) = match kind.checked_sub(CALL_FAULTS.len() as u64) {
        None => (call, &CALL_FAULTS[..], kind),
        Some(kind) => (cost, &COST_FAULTS[..], kind),
    };
    if let Some((field, by, reason)) = faults.get(kind as usize) {
        let mut out = Vec::with_capacity(700);
        encoder.spelling.spell(fact, Style::default());
        push_event(&mut out, &encoder.spelling, fact, Style::default(), false, Some((*field, *by)));
        return (Encoded { payload: Some(out), headers: Vec::new() }, *reason);
    }
    whole_payload(random, encoder, call, kind - COST_FAULTS.len() as u64)
}

fn whole_payload(random: &mut Random, encoder: &mut MessageEncoder, call: &Fact, kind: u64) -> (Encoded, Reason) {
    let style = Style::default();
    let mut json = encoder.json(call, style);
    let mut headers = Vec::new();
    let wrapped = |before: &[u8], event: &[u8], after: &[u8]| [before, event, after].concat();
    let (payload, reason) = match kind {
        0 => (Vec::new(), Reason::EmptyPayload),
        1 => {
            json.truncate(1 + random.below(json.len() as u64 - 1) as usize);
            (json, Reason::NotJson)
        }
        2 => (wrapped(b"\xef\xbb\xbf", &json, b""), Reason::ByteOrderMark),
        3 => (wrapped(b"", &json, b" {}"), Reason::TrailingBytes),
        4 => (wrapped(b"[", &json, b"]"), Reason::NotAnObject),
        5 => (b"42".to_vec(), Reason::NotAnObject),
        6 => (b"<event/>".to_vec(), Reason::UnknownFormat),
        7 => (wrapped(b"{\"attributes\":", &[b"[".repeat(64), b"]".repeat(64)].concat(), b"}"), Reason::TooDeep),
        8 => {
            let mut avro = encoder.avro_single(call, style);
            avro.truncate(11 + random.below(avro.len() as u64 - 11) as usize);
            (avro, Reason::MalformedAvro)
        }
        9 => (wrapped(b"", &encoder.avro_single(call, style), b"\0"), Reason::TrailingBytes),
        10 => {
            let mut avro = encoder.avro_single(call, style);
            avro[2] ^= 0xff;
            (avro, Reason::UnknownSchema)
        }
        11 => (wrapped(&[&[0], &NO_SUCH_SCHEMA.to_be_bytes()[..]].concat(), b"\x02a", b""), Reason::UnknownSchema),
        12 => (b"\0\0\0".to_vec(), Reason::MalformedAvro),
        13 => (wrapped(b"{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"x\",\"data\":", &json, b"}"), Reason::UnsupportedCloudEvent),
        14 => {
            headers.push(("content-type", b"application/cloudevents-batch+json".to_vec()));
            (wrapped(b"[", &json, b"]"), Reason::UnsupportedCloudEvent)
        }
        _ => (
            wrapped(b"{\"specversion\":\"1.0\",\"id\":\"another\",\"source\":\"x\",\"type\":\"usage\",\"data\":", &json, b"}"),
            Reason::IdentityMismatch,
        ),
    };
    (Encoded { payload: Some(payload), headers }, reason)
}
