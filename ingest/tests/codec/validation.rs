//! The validation table: each field with each kind of trouble, and the code that comes out.

use super::{BASE, code, with_event};

/// An event whose field `name` has the given JSON literal.
fn with(name: &str, literal: &str) -> Vec<u8> {
    let mut fields: Vec<String> = BASE.split(',').filter(|field| !field.starts_with(&format!("\"{name}\":"))).map(str::to_owned).collect();
    fields.push(format!("\"{name}\":{literal}"));
    if name == "amount" {
        fields.push(r#""currency":"USD""#.to_owned());
    }
    if name == "currency" {
        fields.push(r#""amount":"1""#.to_owned());
    }
    if name == "revenue_currency" {
        fields.push(r#""revenue":"1""#.to_owned());
    }
    format!("{{{}}}", fields.join(",")).into_bytes()
}

const OK: Result<(), &str> = Ok(());
const MISSING: Result<(), &str> = Err("missing_field");
const TYPE: Result<(), &str> = Err("wrong_type");
const RANGE: Result<(), &str> = Err("out_of_range");
const NUMBER: Result<(), &str> = Err("bad_number");

const TOKENS: [&str; 6] =
    ["input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens"];
const REQUIRED_TEXT: [&str; 4] = ["event_id", "source", "provider", "model"];
const FREE_TEXT: [&str; 14] = [
    "operation",
    "service",
    "route",
    "feature",
    "task_type",
    "user_id",
    "team",
    "project",
    "environment",
    "cost_center",
    "owner",
    "tier",
    "status",
    "error_type",
];

fn check(name: &str, rows: &[(&str, Result<(), &'static str>)]) {
    for (literal, expected) in rows {
        assert_eq!(code(&with(name, literal)), *expected, "{name} = {}", &literal[..literal.len().min(60)]);
    }
}

#[test]
fn required_text_is_there_and_is_text() {
    let long = format!("\"{}\"", "x".repeat(1_000_000));
    for name in REQUIRED_TEXT {
        check(
            name,
            &[
                ("null", MISSING),
                ("\"\"", MISSING),
                ("{}", TYPE),
                ("[]", TYPE),
                ("[\"a\"]", TYPE),
                ("7", OK),
                ("-7", OK),
                ("1.50", OK),
                ("true", OK),
                ("\"\\u0000\"", OK),
                ("\"\u{1f600}\"", OK),
                ("\"\\ud83d\\ude00\"", OK),
                ("\"\\ud83d\"", Err("invalid_utf8")),
                (&long, OK),
                ("9223372036854775808", OK),
                ("18446744073709551616", OK),
                ("\"a", Err("not_json")),
                ("\"a\tb\"", Err("not_json")),
            ],
        );
    }
}

#[test]
fn free_text_is_never_a_reason_to_lose_money() {
    let long = format!("\"{}\"", "x".repeat(1_000_000));
    for name in FREE_TEXT {
        check(
            name,
            &[
                ("null", OK),
                ("\"\"", OK),
                ("{}", TYPE),
                ("[]", TYPE),
                ("-7", OK),
                ("1.5", OK),
                ("false", OK),
                ("\"\\u0000\"", OK),
                ("\"\u{1f600}\"", OK),
                ("\"anything at all\"", OK),
                (&long, OK),
                ("\"\\ude00\"", Err("invalid_utf8")),
            ],
        );
    }
}

#[test]
fn missing_fields_are_named() {
    for name in ["event_id", "source", "occurred_at", "kind", "provider", "model"] {
        let fields: Vec<&str> = BASE.split(',').filter(|field| !field.starts_with(&format!("\"{name}\":"))).collect();
        let rejection = with_event(format!("{{{}}}", fields.join(",")).as_bytes(), &[], |_| ()).unwrap_err();
        assert_eq!(rejection.reason.code(), "missing_field");
        assert!(rejection.detail.starts_with(name), "{rejection}");
    }
    assert_eq!(code(b"{}"), MISSING);
}

#[test]
fn counts_are_integer_literals_up_to_a_trillion() {
    for name in TOKENS {
        // The whole must hold the part, so only counts that fit both are accepted here.
        let big = if name.starts_with("input") || name.starts_with("output") { OK } else { Err("inconsistent_tokens") };
        check(
            name,
            &[
                ("null", OK),
                ("\"\"", OK),
                ("0", OK),
                ("-0", OK),
                ("12", OK),
                ("1000000000000", big),
                ("1000000000001", RANGE),
                ("-1", RANGE),
                ("9223372036854775807", RANGE),
                ("9223372036854775808", RANGE),
                ("18446744073709551616", RANGE),
                ("-9223372036854775809", RANGE),
                ("12.0", NUMBER),
                ("1e3", NUMBER),
                ("1.5", NUMBER),
                ("\"12\"", TYPE),
                ("true", TYPE),
                ("[]", TYPE),
                ("{}", TYPE),
                ("[12]", TYPE),
                ("012", Err("not_json")),
                ("+1", Err("not_json")),
                ("NaN", Err("not_json")),
                ("0x1", Err("not_json")),
                ("1_000", Err("not_json")),
            ],
        );
    }
}

#[test]
fn times_are_rfc_3339_with_an_offset() {
    let bad = Err("bad_timestamp");
    check(
        "occurred_at",
        &[
            ("null", MISSING),
            ("\"\"", MISSING),
            ("1795342503", TYPE),
            ("1795342503.5", TYPE),
            ("true", TYPE),
            ("[]", TYPE),
            ("{}", TYPE),
            ("\"2026-11-22T10:15:03Z\"", OK),
            ("\"2026-11-22t10:15:03.1z\"", OK),
            ("\"2026-11-22 10:15:03+05:30\"", OK),
            ("\"2026-11-22T10:15:60Z\"", bad),
            ("\"2026-11-22T10:15:03\"", bad),
            ("\"2026-02-30T00:00:00Z\"", bad),
            ("\"1969-12-31T23:59:59Z\"", bad),
            ("\"2106-01-01T00:00:00Z\"", bad),
            ("\"now\"", bad),
            ("\"\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\"", bad),
            ("\"2026-11-22T10:15:03Z\\u0000\"", bad),
        ],
    );
}

#[test]
fn money_is_decimal_text_or_a_json_number() {
    for name in ["amount", "revenue"] {
        check(
            name,
            &[
                ("null", OK),
                ("\"\"", OK),
                ("\"1.50\"", OK),
                ("\"+1\"", OK),
                ("\"-3\"", OK),
                ("1.5", OK),
                ("1e-3", OK),
                ("1e-30", OK),
                ("-2", OK),
                ("\"1e3\"", NUMBER),
                ("\"1,5\"", NUMBER),
                ("\" 1\"", NUMBER),
                ("\"\\u0000\"", NUMBER),
                ("\"NaN\"", NUMBER),
                ("\"0.0000000000000000001\"", NUMBER),
                ("\"0.1000000000000000000000000\"", OK),
                ("\"1000000000\"", OK),
                ("\"1000000000.000000000000000001\"", RANGE),
                ("1e9", OK),
                ("1e10", RANGE),
                ("-1e10", RANGE),
                ("1e999999999999", RANGE),
                ("9223372036854775808", RANGE),
                ("18446744073709551616", RANGE),
                ("true", TYPE),
                ("[]", TYPE),
                ("{}", TYPE),
            ],
        );
    }
    check(
        "currency",
        &[
            ("null", MISSING),
            ("\"\"", MISSING),
            ("\"usd\"", OK),
            ("\"KRW\"", OK),
            ("\"US\"", Err("bad_currency")),
            ("\"\u{1f600}\"", Err("bad_currency")),
            ("840", Err("bad_currency")),
            ("[]", TYPE),
        ],
    );
    check("revenue_currency", &[("null", OK), ("\"\"", OK), ("\"eur\"", OK), ("\"euro\"", Err("bad_currency"))]);
    // Without an amount its currency touches no money.
    let text = format!("{{{BASE},\"currency\":\"dollars\"}}");
    assert_eq!(code(text.as_bytes()), OK);
}

#[test]
fn latency_is_a_number_that_is_cut() {
    check(
        "latency_ms",
        &[
            ("null", OK),
            ("\"\"", OK),
            ("0", OK),
            ("-0", OK),
            ("812.9", OK),
            ("1e3", OK),
            ("1e12", OK),
            ("1e13", RANGE),
            ("-1", RANGE),
            ("-0.5", RANGE),
            ("9223372036854775808", RANGE),
            ("18446744073709551616", RANGE),
            ("\"812\"", TYPE),
            ("true", TYPE),
            ("[]", TYPE),
            ("{}", TYPE),
        ],
    );
    assert_eq!(with_event(&with("latency_ms", "812.9"), &[], |event| event.latency_ms), Ok(Some(812)));
}

#[test]
fn kind_and_convention_are_known_names() {
    check(
        "kind",
        &[
            ("null", MISSING),
            ("\"\"", MISSING),
            ("\"LLM\"", Err("unknown_kind")),
            ("\"x\"", Err("unknown_kind")),
            ("5", Err("unknown_kind")),
            ("{}", TYPE),
        ],
    );
    check(
        "token_convention",
        &[
            ("null", OK),
            ("\"\"", OK),
            ("\"exclusive\"", OK),
            ("\"x\"", Err("unknown_token_convention")),
            ("true", Err("unknown_token_convention")),
            ("[]", TYPE),
        ],
    );
}

#[test]
fn tags_are_objects_of_text_and_attributes_of_anything() {
    for (name, nested) in [("tags", TYPE), ("attributes", OK)] {
        check(
            name,
            &[
                ("null", OK),
                ("\"\"", OK),
                ("{}", OK),
                ("[]", TYPE),
                ("[1]", TYPE),
                ("\"x\"", TYPE),
                ("5", TYPE),
                ("true", TYPE),
                ("{\"a\":{\"b\":[1,2]}}", nested),
                ("{\"a\":[]}", nested),
                ("{\"a\":1,\"a\":2}", OK),
                ("{\"\":\"x\"}", OK),
                ("{\"a\":\"\\udc00\"}", Err("invalid_utf8")),
                ("{\"\\udc00\":1}", Err("invalid_utf8")),
                ("{\"a\":01}", Err("not_json")),
                ("{\"a\":1,}", Err("not_json")),
                ("{a:1}", Err("not_json")),
            ],
        );
    }
    let pairs = |literal: &str| {
        with_event(&with("attributes", literal), &[], |event| {
            event.attributes.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" ")
        })
    };
    let text = r#"{ "z" : {"b" : [1.50, true , null, "\u0041\u0001\n\"\/"], "a":{}, "b2":1e2}, "n":null, "e":"", "d":"first", "d":"last", "i":-0, "l": [] }"#;
    assert_eq!(pairs(text).unwrap(), r#"d=last i=-0 l=[] z={"a":{},"b":[1.50,true,null,"A\u0001\n\"/"],"b2":1e2}"#);
}

#[test]
fn unknown_fields_become_attributes_and_are_counted() {
    let text = format!("{{{BASE},\"audio_tokens\":5,\"x\":\"outer\",\"y\":null,\"attributes\":{{\"x\":\"own\",\"y\":\"own\"}}}}");
    let arena = bumpalo::Bump::new();
    let mut decoder = super::decoder();
    let ingest::codec::Decoded::Event(event) = decoder.decode(&super::message(text.as_bytes(), &[]), &arena) else { panic!() };
    assert_eq!(event.attributes, [("audio_tokens", "5"), ("x", "own"), ("y", "own")]);
    let counted = decoder.unknown_fields().counts();
    assert_eq!(counted, [("audio_tokens".to_owned(), 1), ("x".to_owned(), 1)]);
}

#[test]
fn a_known_key_twice_is_refused_even_when_it_says_the_same() {
    for field in BASE.split(',').chain(["\"tags\":null", "\"status\":null"]) {
        let key_twice = format!("{{{BASE},\"tags\":{{}},\"status\":\"ok\",{field}}}");
        assert_eq!(code(key_twice.as_bytes()), Err("duplicate_key"), "{field}");
    }
    let spelled_otherwise = format!("{{{BASE},\"event\\u005fid\":\"e1\"}}");
    assert_eq!(code(spelled_otherwise.as_bytes()), Err("duplicate_key"));
}

#[test]
fn dimensions_are_cut_at_a_character() {
    let payload = with("team", &format!("\"a{}\"", "\u{e9}".repeat(600)));
    let team = with_event(&payload, &[], |event| event.dimension(schemas::Dimension::Team).to_owned()).unwrap();
    assert_eq!(team, format!("a{}", "\u{e9}".repeat(511)));
    let payload = with("event_id", &format!("\"{}\"", "a".repeat(2000)));
    assert_eq!(with_event(&payload, &[], |event| event.event_id.len()), Ok(2000));
}

#[test]
fn payloads_that_are_no_event() {
    let depth = |levels: usize| format!("{{{BASE},\"x\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1)).into_bytes();
    let in_tags =
        |levels: usize| format!("{{{BASE},\"attributes\":{{\"x\":{}{}}}}}", "[".repeat(levels - 2), "]".repeat(levels - 2)).into_bytes();
    let large = |size: usize| {
        let head = format!("{{{BASE},\"x\":\"");
        format!("{head}{}\"}}", "y".repeat(size - head.len() - 2)).into_bytes()
    };
    let event = format!("{{{BASE}}}");
    let rows: Vec<(Vec<u8>, Result<(), &str>)> = vec![
        (Vec::new(), Err("empty_payload")),
        (b" \n".to_vec(), Err("not_json")),
        (format!(" \r\n\t{event}\n ").into_bytes(), OK),
        (format!("\u{feff}{event}").into_bytes(), Err("byte_order_mark")),
        (vec![0xff, 0xfe, b'{', 0], Err("byte_order_mark")),
        (vec![0xfe, 0xff, 0, b'{'], Err("byte_order_mark")),
        (format!("{event}x").into_bytes(), Err("trailing_bytes")),
        (format!("{event}{event}").into_bytes(), Err("trailing_bytes")),
        (format!("{event}\0").into_bytes(), Err("trailing_bytes")),
        (format!("[{event}]").into_bytes(), Err("not_an_object")),
        (b"null".to_vec(), Err("not_an_object")),
        (b"\"text\"".to_vec(), Err("not_an_object")),
        (b"-1.5e3".to_vec(), Err("not_an_object")),
        (b"tru".to_vec(), Err("not_json")),
        (b"[1,".to_vec(), Err("not_json")),
        (b"hello".to_vec(), Err("unknown_format")),
        (b"\x0a\x05proto".to_vec(), Err("unknown_format")),
        (b"{\"a\":\"\xff\"}".to_vec(), Err("invalid_utf8")),
        (b"{\"a\":\"\xed\xa0\x80\"}".to_vec(), Err("invalid_utf8")),
        (b"{\"a\":\"\xc0\x80\"}".to_vec(), Err("invalid_utf8")),
        (depth(64), OK),
        (depth(65), Err("too_deep")),
        (in_tags(64), OK),
        (in_tags(65), Err("too_deep")),
        (depth(200_000), Err("too_deep")),
        ("[".repeat(1_000_000).into_bytes(), Err("too_deep")),
        ("{\"a\":".repeat(100_000).into_bytes(), Err("too_deep")),
        (large(1 << 20), OK),
        (large((1 << 20) + 1), Err("too_large")),
        (vec![0, 0, 0], Err("malformed_avro")),
        (vec![0, 0, 0, 0, 1, 2, 3], Err("unknown_schema")),
        (vec![0xc3], Err("unknown_format")),
        (vec![0xc3, 1, 2, 3], Err("malformed_avro")),
        (vec![0xc3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9], Err("unknown_schema")),
        (vec![0xc3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9], Err("unknown_format")),
    ];
    for (payload, expected) in rows {
        assert_eq!(code(&payload), expected, "{}", String::from_utf8_lossy(&payload[..payload.len().min(60)]));
    }
    let tombstone = runtime::io::Message { payload: None, ..super::message(b"", &[]) };
    let arena = bumpalo::Bump::new();
    assert!(matches!(super::decoder().decode(&tombstone, &arena), ingest::codec::Decoded::Rejected(r) if r.reason.code() == "tombstone"));
}

#[test]
fn json_cut_short_at_every_byte_is_refused() {
    let event = format!(
        "{{{BASE},\"team\":\"\u{e9}\\ud83d\\ude00\",\"amount\":-1.5e-3,\"currency\":\"USD\",\"attributes\":{{\"a\":[true,null]}}}}"
    );
    assert_eq!(code(event.as_bytes()), OK);
    for end in 1..event.len() {
        let found = code(&event.as_bytes()[..end]);
        assert!(matches!(found, Err("not_json" | "invalid_utf8")), "{end}: {found:?}");
    }
}

#[test]
fn adjustments_carry_an_amount_or_counts() {
    let head = r#""event_id":"a","source":"s","occurred_at":"2026-11-22T10:15:03Z","kind":"adjustment""#;
    let rows = [
        (r#","adjusts":"e1","amount":"-1","currency":"USD""#, OK),
        (r#","adjusts":"e1","provider":"p","model":"m","input_tokens":-5"#, OK),
        (r#","adjusts":"e1","provider":"p","model":"m","input_tokens":-5,"cache_read_tokens":-7,"output_tokens":3"#, OK),
        (r#","adjusts":"e1","provider":"p","model":"m","input_tokens":-1000000000001"#, RANGE),
        (r#","amount":"-1","currency":"USD""#, MISSING),
        (r#","adjusts":"e1","amount":"-1""#, MISSING),
        (r#","adjusts":"e1","model":"m","input_tokens":-5"#, MISSING),
        (r#","adjusts":"e1","provider":"p","input_tokens":-5"#, MISSING),
        (r#","adjusts":"e1","provider":"p","model":"m""#, Err("inconsistent_adjustment")),
        (r#","adjusts":"e1","provider":"p","model":"m","amount":"1","currency":"USD","input_tokens":0"#, Err("inconsistent_adjustment")),
    ];
    for (tail, expected) in rows {
        assert_eq!(code(format!("{{{head}{tail}}}").as_bytes()), expected, "{tail}");
    }
    let cost = head.replace("adjustment", "cost");
    assert_eq!(code(format!("{{{cost}}}").as_bytes()), MISSING);
    assert_eq!(code(format!("{{{cost},\"amount\":1}}").as_bytes()), MISSING);
    assert_eq!(code(format!("{{{cost},\"amount\":1,\"currency\":\"eur\"}}").as_bytes()), OK);
}

#[test]
fn counts_must_fit_each_other() {
    let rows = [
        (r#","cache_read_tokens":1201"#, Err("inconsistent_tokens")),
        (r#","cache_read_tokens":1200"#, OK),
        (r#","reasoning_tokens":301"#, Err("inconsistent_tokens")),
        (r#","cache_read_tokens":1201,"token_convention":"cache_apart""#, OK),
        (r#","cache_write_tokens":10"#, OK),
        (r#","cache_write_tokens":10,"cache_write_5m_tokens":4,"cache_write_1h_tokens":6"#, OK),
        (r#","cache_write_tokens":10,"cache_write_1h_tokens":6"#, Err("inconsistent_tokens")),
    ];
    for (tail, expected) in rows {
        assert_eq!(code(format!("{{{BASE}{tail}}}").as_bytes()), expected, "{tail}");
    }
    let usage_known = |fields: &str| {
        let head = r#""event_id":"a","source":"s","occurred_at":"2026-11-22T10:15:03Z","kind":"llm","provider":"p","model":"m""#;
        with_event(format!("{{{head}{fields}}}").as_bytes(), &[], |event| event.usage_known).unwrap()
    };
    assert!(usage_known(r#","input_tokens":0,"output_tokens":0"#));
    assert!(!usage_known(r#","input_tokens":5"#));
    assert!(!usage_known(r#","output_tokens":5"#));
    assert!(!usage_known(""));
    assert!(usage_known(r#","input_tokens":5,"operation":"embeddings""#));
}
