//! CloudEvents 1.0, structured and binary.

use super::{BASE, Header, code, hashes, single_object, with_event};

const DATA: &str = r#""kind":"llm","provider":"openai","model":"gpt-4.1-mini","input_tokens":1200,"output_tokens":300"#;

fn structured_code(text: &str, content_type: &str) -> Result<(), &'static str> {
    with_event(text.as_bytes(), &[("content-type", content_type.as_bytes())], |_| ()).map_err(|rejection| rejection.reason.code())
}

#[test]
fn envelope_and_plain_event_mean_the_same() {
    let plain = with_event(format!("{{{BASE}}}").as_bytes(), &[], hashes).unwrap();
    let envelopes = [
        format!(
            r#"{{"specversion":"1.0","id":"e1","source":"api","type":"usage","time":"2026-11-22T10:15:03.123456Z","traceparent":"x","data":{{{DATA}}}}}"#
        ),
        format!(r#"{{"data":{{{BASE}}},"id":"e1","source":"api","type":"usage","time":"2020-01-01T00:00:00Z","specversion":"1.0"}}"#),
        format!(
            r#"{{"id":"e1","source":"api","data":{{{BASE}}},"\u0073pecversion":"1.0","datacontenttype":"application/json","ext":{{"a":[1]}}}}"#
        ),
    ];
    for text in envelopes {
        assert_eq!(with_event(text.as_bytes(), &[], hashes).as_ref(), Ok(&plain), "{text}");
        let headers: [Header<'_>; 1] = [("Content-Type", b"application/cloudevents+json; charset=UTF-8")];
        assert_eq!(with_event(text.as_bytes(), &headers, hashes).as_ref(), Ok(&plain), "{text}");
    }
    let headers: [Header<'_>; 6] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e1"),
        ("ce_source", b"api"),
        ("ce_time", b"2026-11-22T10:15:03.123456Z"),
        ("ce_traceparent", b"y"),
        ("content-type", b"application/json"),
    ];
    assert_eq!(with_event(format!("{{{DATA}}}").as_bytes(), &headers, hashes), Ok(plain));
    assert_eq!(with_event(format!("{{{BASE}}}").as_bytes(), &headers, hashes), Ok(plain));
}

#[test]
fn binary_mode_carries_avro_too() {
    let plain = with_event(format!("{{{BASE}}}").as_bytes(), &[], hashes).unwrap();
    let body = super::equivalence::avro_body(&format!("{{{BASE}}}"), super::USAGE_EVENT_V1);
    let headers: [Header<'_>; 3] = [("ce_specversion", b"1.0"), ("ce_id", b"e1"), ("ce_source", b"api")];
    assert_eq!(with_event(&single_object(&body), &headers, hashes), Ok(plain));
    let other: [Header<'_>; 3] = [("ce_specversion", b"1.0"), ("ce_id", b"e2"), ("ce_source", b"api")];
    assert_eq!(with_event(&single_object(&body), &other, hashes).unwrap_err().reason.code(), "identity_mismatch");
}

#[test]
fn what_is_no_cloud_event_of_ours_is_refused() {
    let envelope = |changes: &str| format!(r#"{{{changes}"type":"usage","time":"2026-11-22T10:15:03Z","data":{{{DATA}}}}}"#);
    let rows = [
        (envelope(r#""specversion":"1.0","id":"e1","source":"api","#), Ok(())),
        (envelope(r#""specversion":"0.3","id":"e1","source":"api","#), Err("unsupported_cloudevent")),
        (envelope(r#""specversion":1.0,"id":"e1","source":"api","#), Ok(())),
        (envelope(r#""specversion":"1.0","source":"api","#), Err("missing_field")),
        (envelope(r#""specversion":"1.0","id":"","source":"api","#), Err("missing_field")),
        (envelope(r#""specversion":"1.0","id":"e1","#), Err("missing_field")),
        (envelope(r#""specversion":"1.0","id":"e1","id":"e1","source":"api","#), Err("duplicate_key")),
        (envelope(r#""specversion":"1.0","id":"e1","source":"api","data_base64":"e30=","#), Err("unsupported_cloudevent")),
        (format!(r#"{{"specversion":"1.0","id":"e2","source":"api","data":{{{BASE}}}}}"#), Err("identity_mismatch")),
        (format!(r#"{{"specversion":"1.0","id":"e1","source":"apis","data":{{{BASE}}}}}"#), Err("identity_mismatch")),
        (r#"{"specversion":"1.0","id":"e1","source":"api"}"#.to_owned(), Err("missing_field")),
        (r#"{"specversion":"1.0","id":"e1","source":"api","data":"{}"}"#.to_owned(), Err("wrong_type")),
        (r#"{"specversion":"1.0","id":"e1","source":"api","data":[]}"#.to_owned(), Err("wrong_type")),
        (format!(r#"{{"specversion":"1.0","id":"e1","source":"api","data":{{{BASE}}}"#), Err("not_json")),
        (format!(r#"{{"specversion":"1.0","id":"e1","source":"api","data":{{{BASE}}}}}x"#), Err("trailing_bytes")),
        // 64 levels inside the data, and one around them.
        (format!(r#"{{"id":"e1","source":"api","data":{{{BASE},"x":{}{}}},"specversion":"1.0"}}"#, "[".repeat(63), "]".repeat(63)), Ok(())),
        (
            format!(r#"{{"id":"e1","source":"api","data":{{{BASE},"x":{}{}}},"specversion":"1.0"}}"#, "[".repeat(64), "]".repeat(64)),
            Err("too_deep"),
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(code(text.as_bytes()), expected, "{text}");
        assert_eq!(structured_code(&text, "application/cloudevents+json"), expected, "{text}");
    }
    let event = format!("{{{BASE}}}");
    assert_eq!(structured_code(&event, "application/cloudevents+json"), Err("unsupported_cloudevent"));
    assert_eq!(structured_code(&event, "application/cloudevents-batch+json"), Err("unsupported_cloudevent"));
    assert_eq!(structured_code(&event, "application/json"), Ok(()));
    let binary = |headers: &[Header<'_>]| with_event(event.as_bytes(), headers, |_| ()).map_err(|rejection| rejection.reason.code());
    assert_eq!(binary(&[("ce_specversion", b"0.3"), ("ce_id", b"e1"), ("ce_source", b"api")]), Err("unsupported_cloudevent"));
    assert_eq!(binary(&[("ce_id", b"e1"), ("ce_source", b"api")]), Err("unsupported_cloudevent"));
    assert_eq!(binary(&[("ce_specversion", b"1.0"), ("ce_id", b"\xff"), ("ce_source", b"api")]), Err("invalid_utf8"));
    assert_eq!(binary(&[("ce_specversion", b"1.0"), ("ce_id", b"e1")]), Err("missing_field"));
}
