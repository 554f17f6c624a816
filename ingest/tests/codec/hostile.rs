//! Bytes that mean harm: never a panic, never unbounded memory or time.

use bumpalo::Bump;
use ingest::codec::{Decoded, Decoder, DecoderOptions, WriterSchema};
use proptest::prelude::*;

use super::{BASE, Header, code, decoder, message, single_object};

/// A schema with every type that can be nested or skipped.
const WILD: &str = r#"{"type":"record","name":"Wild","namespace":"a.b","fields":[
  {"name":"event_id","type":["null","int","string"]},
  {"name":"node","type":["null",{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]},{"name":"f","type":{"type":"fixed","name":"F","size":3}}]}]},
  {"name":"nulls","type":{"type":"array","items":"null"}},
  {"name":"maps","type":{"type":"map","values":{"type":"array","items":"a.b.F"}}},
  {"name":"symbol","type":{"type":"enum","name":"E","symbols":["A","B"]}},
  {"name":"flag","type":"boolean"},{"name":"d","type":"double"},{"name":"fl","type":"float"},{"name":"b","type":"bytes"},
  {"name":"dec","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":4}},
  {"name":"tags","type":{"type":"map","values":["null","long","string"]}}]}"#;

fn wild() -> (Decoder, [u8; 8]) {
    let fingerprint = WriterSchema::parse(WILD).unwrap().fingerprint().to_le_bytes();
    (Decoder::new(DecoderOptions { schemas: vec![WILD.into()], registry: None }).unwrap(), fingerprint)
}

fn wild_code(body: &[u8]) -> Option<&'static str> {
    let (mut decoder, fingerprint) = wild();
    let payload = [&[0xc3, 1], &fingerprint[..], body].concat();
    let arena = Bump::new();
    let found = match decoder.decode(&message(&payload, &[]), &arena) {
        Decoded::Rejected(rejection) => Some(rejection.reason.code()),
        _ => None,
    };
    assert!(arena.allocated_bytes() < 200 << 20, "{} bytes", arena.allocated_bytes());
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_bytes_are_an_event_or_a_rejection(bytes: Vec<u8>, header: Vec<u8>) {
        let arena = Bump::new();
        let headers: [Header<'_>; 4] = [("content-type", &header), ("ce_specversion", b"1.0"), ("ce_id", &header), ("ce_time", b"x")];
        for headers in [&headers[..0], &headers[..1], &headers[1..]] {
            for framed in [bytes.clone(), single_object(&bytes), [b"{\"event_id\":", &bytes[..]].concat(), [&[0, 0, 0, 0, 1], &bytes[..]].concat()] {
                let _ = decoder().decode(&message(&framed, headers), &arena);
            }
        }
    }

    #[test]
    fn any_bytes_under_a_wild_schema_are_bounded(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(2), Just(1), any::<u8>()], 0..80)) {
        wild_code(&bytes);
    }
}

#[test]
fn a_list_of_a_quintillion_nulls_is_refused_soon() {
    // event_id null, node null, then an array block of 2^62 items that take no bytes.
    let mut writer = schemas::avro::Writer::default();
    writer.long(0);
    writer.long(0);
    writer.long(1 << 62);
    assert_eq!(wild_code(&writer.bytes), Some("too_large"));
    let mut writer = schemas::avro::Writer::default();
    writer.long(0);
    writer.long(0);
    writer.long(i64::MIN);
    writer.long(0);
    assert_eq!(wild_code(&writer.bytes), Some("too_large"));
    writer.bytes.pop();
    writer.long(-1);
    assert_eq!(wild_code(&writer.bytes), Some("malformed_avro"));
}

#[test]
fn a_recursive_type_ends_at_the_depth_limit() {
    let mut body = vec![0, 2];
    body.extend([2].repeat(500_000));
    assert_eq!(wild_code(&body), Some("too_deep"));
}

#[test]
fn a_length_beyond_the_end_is_refused() {
    let mut writer = schemas::avro::Writer::default();
    writer.long(i64::MAX);
    assert_eq!(code(&single_object(&writer.bytes)), Err("malformed_avro"));
    assert_eq!(code(&single_object(&[1])), Err("malformed_avro"));
    assert_eq!(code(&single_object(&[0xff; 20])), Err("malformed_avro"));
}

#[test]
fn small_text_that_makes_many_values_is_bounded() {
    let fill = |unit: &str| unit.repeat((1_000_000 - BASE.len()) / unit.len());
    for inside in [
        format!("[{}0]", fill("0,")),
        format!("[{}0]", fill("[],")),
        format!("{{{}\"a\":0}}", fill("\"\":0,")),
        format!("\"{}\"", fill("\\n")),
    ] {
        let payload = format!("{{{BASE},\"x\":{inside}}}");
        let arena = Bump::new();
        assert!(matches!(decoder().decode(&message(payload.as_bytes(), &[]), &arena), Decoded::Event(_)));
        assert!(arena.allocated_bytes() < 100 << 20, "{} bytes", arena.allocated_bytes());
    }
}
