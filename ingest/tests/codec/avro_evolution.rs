//! Writers of other versions, encoded by apache-avro.

use ingest::codec::{Decoded, Decoder, DecoderOptions, SchemaError, USAGE_EVENT_V1, WriterSchema};
use serde_json::{Value, json};

use super::equivalence::avro_body;
use super::{BASE, code, hashes, message, single_object, with_event};

fn decode_with<T>(schema: &str, json: &str, look: impl FnOnce(&schemas::Event<'_>) -> T) -> Result<T, &'static str> {
    let mut decoder = Decoder::new(DecoderOptions { schemas: vec![schema.into()], registry: None }).unwrap();
    let fingerprint = WriterSchema::parse(schema).unwrap().fingerprint();
    let payload = [&[0xc3, 1], &fingerprint.to_le_bytes()[..], &avro_body(json, schema)].concat();
    let arena = bumpalo::Bump::new();
    match decoder.decode(&message(&payload, &[]), &arena) {
        Decoded::Event(event) => Ok(look(&event)),
        Decoded::Rejected(rejection) => Err(rejection.reason.code()),
        Decoded::Waiting(why) => panic!("{why}"),
    }
}

fn schema(change: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut schema: Value = serde_json::from_str(USAGE_EVENT_V1).unwrap();
    change(schema["fields"].as_array_mut().unwrap());
    schema.to_string()
}

fn event() -> String {
    format!(
        r#"{{{BASE},"team":"core","tags":{{"b":"2","a":"1"}},"amount":"0.5","currency":"USD","latency_ms":12,"x_new":"text","x_map":{{"k":5}}}}"#
    )
}

#[test]
fn reordered_fields_are_the_same_event() {
    let json = event();
    let ours = with_event(&single_object(&avro_body(&json, USAGE_EVENT_V1)), &[], hashes);
    let reversed = schema(|fields| fields.reverse());
    assert_eq!(decode_with(&reversed, &json, hashes), Ok(ours.unwrap()));
}

#[test]
fn an_older_writer_lacks_fields_and_a_newer_one_adds_some() {
    let json = event();
    let older = schema(|fields| fields.retain(|field| field["name"] != "team" && field["name"] != "tags" && field["name"] != "attributes"));
    assert_eq!(
        decode_with(&older, &json, |event| (event.dimension(schemas::Dimension::Team).to_owned(), event.tags.len())),
        Ok((String::new(), 0))
    );
    let newer = schema(|fields| {
        fields.insert(3, json!({"name": "x_new", "type": ["null", "string"], "default": null}));
        fields.insert(9, json!({"name": "x_map", "type": ["null", {"type": "map", "values": "int"}], "default": null}));
    });
    let attributes =
        decode_with(&newer, &json, |event| event.attributes.iter().map(|(n, t)| format!("{n}={t}")).collect::<Vec<_>>()).unwrap();
    assert_eq!(attributes, [r#"x_map={"k":5}"#, "x_new=text"]);
    // The same event in JSON means the same.
    assert_eq!(decode_with(&newer, &json, hashes), Ok(with_event(json.as_bytes(), &[], hashes).unwrap()));
    let without_time = schema(|fields| fields.retain(|field| field["name"] != "occurred_at"));
    assert_eq!(decode_with(&without_time, &json, |_| ()), Err("missing_field"));
}

#[test]
fn ours_is_read_by_an_older_reader_and_an_older_one_by_ours_through_apache_avro() {
    let json = event();
    let ours = apache_avro::Schema::parse_str(USAGE_EVENT_V1).unwrap();
    let older_text = schema(|fields| fields.truncate(8));
    let older = apache_avro::Schema::parse_str(&older_text).unwrap();
    for (writer_text, writer, reader) in [(USAGE_EVENT_V1, &ours, &older), (older_text.as_str(), &older, &ours)] {
        let body = avro_body(&json, writer_text);
        apache_avro::from_avro_datum(writer, &mut &body[..], Some(reader)).unwrap();
    }
}

#[test]
fn other_types_that_mean_the_same_are_read() {
    let json = r#"{"event_id":"e1","source":"api","occurred_at":"2026-11-22T10:15:03.123Z","kind":"llm","provider":"openai","model":"m","input_tokens":1200,"output_tokens":300,"latency_ms":812}"#;
    let plain = with_event(json.as_bytes(), &[], hashes).unwrap();
    let other = schema(|fields| {
        for field in fields.iter_mut() {
            field["type"] = match field["name"].as_str().unwrap() {
                "occurred_at" => json!({"type": "long", "logicalType": "timestamp-millis"}),
                "kind" => json!({"type": "enum", "name": "Kind", "symbols": ["cost", "llm"]}),
                "input_tokens" => json!("int"),
                "output_tokens" => json!(["int", "null"]),
                "latency_ms" => json!("double"),
                _ => continue,
            };
            field.as_object_mut().unwrap().remove("default");
        }
    });
    assert_eq!(decode_with(&other, json, hashes), Ok(plain));
    let text_time = schema(|fields| fields[2]["type"] = json!("string"));
    assert_eq!(decode_with(&text_time, json, hashes), Ok(plain));
}

#[test]
fn a_decimal_is_read_exactly() {
    use schemas::avro::Writer;
    let schema = schema(|fields| {
        fields
            .retain(|field| ["event_id", "source", "occurred_at", "kind", "amount", "currency"].contains(&field["name"].as_str().unwrap()));
        fields[4]["type"] = json!(["null", {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 6}]);
    });
    let fingerprint = WriterSchema::parse(&schema).unwrap().fingerprint();
    let mut decoder = Decoder::new(DecoderOptions { schemas: vec![schema], registry: None }).unwrap();
    let mut writer = Writer::default();
    writer.bytes.extend([0xc3, 1]);
    writer.bytes.extend(fingerprint.to_le_bytes());
    writer.text("e");
    writer.text("s");
    writer.long(1_795_342_503_000_000);
    writer.text("cost");
    writer.long(1);
    writer.decimal(-1_500_000);
    writer.long(1);
    writer.text("EUR");
    let arena = bumpalo::Bump::new();
    let Decoded::Event(event) = decoder.decode(&message(&writer.bytes, &[]), &arena) else { panic!() };
    assert_eq!(event.amount.map(|amount| amount.value.to_string()), Some("-1.5".to_owned()));
}

#[test]
fn schemas_that_no_event_can_be_read_from_are_refused() {
    let with_type = |name: &str, kind: Value| {
        let text = schema(|fields| {
            for field in fields.iter_mut().filter(|field| field["name"] == name) {
                field["type"] = kind.clone();
                field.as_object_mut().unwrap().remove("default");
            }
        });
        WriterSchema::parse(&text).err()
    };
    for (name, kind) in [
        ("amount", json!("double")),
        ("revenue", json!("float")),
        ("input_tokens", json!("double")),
        ("input_tokens", json!("string")),
        ("occurred_at", json!("long")),
        ("occurred_at", json!({"type": "long", "logicalType": "local-timestamp-micros"})),
        ("event_id", json!("bytes")),
        ("tags", json!("string")),
        ("team", json!({"type": "array", "items": "string"})),
        ("latency_ms", json!("string")),
        ("amount", json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 20})),
    ] {
        let error = with_type(name, kind.clone());
        assert!(matches!(&error, Some(SchemaError::Incompatible(text)) if text.contains(name)), "{name} {kind}: {error:?}");
    }
    assert!(matches!(WriterSchema::parse("\"string\""), Err(SchemaError::Incompatible(_))));
    assert!(matches!(WriterSchema::parse("{"), Err(SchemaError::Syntax(_))));
    assert!(matches!(
        WriterSchema::parse(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#),
        Err(SchemaError::Incompatible(_))
    ));
}

#[test]
fn avro_cut_short_at_every_byte_or_too_long_is_refused() {
    let body = avro_body(&event(), USAGE_EVENT_V1);
    assert_eq!(code(&single_object(&body)), Ok(()));
    for end in 0..body.len() {
        assert_eq!(code(&single_object(&body[..end])), Err("malformed_avro"), "{end}");
    }
    assert_eq!(code(&single_object(&[&body[..], &[0]].concat())), Err("trailing_bytes"));
    let mut bad = single_object(&body);
    let at = bad.windows(6).position(|window| window == b"openai").unwrap();
    bad[at] = 0xff;
    assert_eq!(code(&bad), Err("invalid_utf8"));
}

#[test]
fn the_rules_hold_for_avro_too() {
    let rows = [
        (r#","cache_read_tokens":-1"#, "out_of_range"),
        (r#","cache_read_tokens":1000000000001"#, "out_of_range"),
        (r#","amount":"x","currency":"USD""#, "bad_number"),
        (r#","latency_ms":-1"#, "out_of_range"),
        (r#","reasoning_tokens":301"#, "inconsistent_tokens"),
    ];
    for (tail, expected) in rows {
        assert_eq!(code(&single_object(&avro_body(&format!("{{{BASE}{tail}}}"), USAGE_EVENT_V1))), Err(expected), "{tail}");
    }
}

#[test]
fn block_sizes_are_read_over() {
    // Map blocks as some writers make them: negative count, then the size in bytes.
    let mut writer = schemas::avro::Writer::default();
    for text in ["e1", "api"] {
        writer.text(text);
    }
    writer.long(1_795_342_503_123_456);
    writer.text("llm");
    for text in ["openai", "m"] {
        writer.long(1);
        writer.text(text);
    }
    for _ in 0..11 {
        writer.long(0);
    }
    writer.long(1);
    writer.long(-1);
    writer.long(4);
    writer.text("a");
    writer.text("1");
    writer.long(1);
    writer.text("b");
    writer.text("2");
    writer.long(0);
    for _ in 0..18 {
        writer.long(0);
    }
    let tags =
        with_event(&single_object(&writer.bytes), &[], |event| event.tags.iter().map(|(n, t)| format!("{n}{t}")).collect::<Vec<_>>());
    assert_eq!(tags, Ok(vec!["a1".to_owned(), "b2".to_owned()]));
}
