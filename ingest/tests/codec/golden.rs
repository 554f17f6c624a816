//! One event in each format, as stored files: what was readable once stays readable, with the same hashes.
//! `REGENERATE_GOLDEN=1 cargo test -p ingest golden` writes them anew.

use std::fs;
use std::path::PathBuf;

use super::equivalence::avro_body;
use super::{Header, USAGE_EVENT_V1, hashes, single_object, with_event};

const JSON: &str = r#"{"event_id":"req-7f3a","source":"checkout-api","occurred_at":"2026-11-22T10:15:03.123456Z","kind":"llm","provider":"anthropic","model":"claude-haiku-4-5","operation":"chat","service":null,"route":"/v1/analyze","feature":"strategy_generation","task_type":"analyst","user_id":"u-1","team":"core","project":"helios","environment":"production","cost_center":"rnd","owner":"a@example.org","tags":{"region":"eu"},"token_convention":"inclusive","input_tokens":1200,"cache_read_tokens":800,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"output_tokens":300,"reasoning_tokens":100,"tier":"standard","amount":null,"currency":null,"revenue":"0.02","revenue_currency":null,"latency_ms":812,"status":"ok","error_type":null,"attributes":{}}"#;

fn golden(name: &str, made: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("REGENERATE_GOLDEN").is_some() {
        fs::write(&path, made).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn golden_files_of_every_format_are_the_same_event() {
    let envelope = format!(
        r#"{{"specversion":"1.0","id":"req-7f3a","source":"checkout-api","type":"cost_rhythm.usage","time":"2026-11-22T10:15:03.123456Z","datacontenttype":"application/json","data":{JSON}}}"#
    );
    let avro = single_object(&avro_body(JSON, USAGE_EVENT_V1));
    let json_file = golden("usage_event_v1.json", JSON.as_bytes());
    let (fingerprint, meaning) = with_event(&json_file, &[], hashes).unwrap();
    let expected = golden("usage_event_v1.hashes", format!("{fingerprint:032x} {meaning:016x}\n").as_bytes());
    assert_eq!(String::from_utf8(expected).unwrap().trim(), format!("{fingerprint:032x} {meaning:016x}"));

    let avro_file = golden("usage_event_v1.single_object.avro", &avro);
    assert_eq!(avro_file, avro, "the schema's fingerprint or layout changed");
    let envelope_file = golden("usage_event_v1.cloudevent.json", envelope.as_bytes());
    let headers: [Header<'_>; 3] = [("ce_specversion", b"1.0"), ("ce_id", b"req-7f3a"), ("ce_source", b"checkout-api")];
    for (payload, headers) in
        [(&avro_file, &headers[..0]), (&envelope_file, &headers[..0]), (&json_file, &headers[..]), (&avro_file, &headers[..])]
    {
        assert_eq!(with_event(payload, headers, hashes), Ok((fingerprint, meaning)));
    }
}
