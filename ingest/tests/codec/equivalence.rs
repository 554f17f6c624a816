//! One event in every format is one event.

use apache_avro::types::Value as Avro;
use apache_avro::{Schema, to_avro_datum};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Header, USAGE_EVENT_V1, hashes, single_object, with_event};

/// The JSON event in Avro, encoded by apache-avro with the writer's schema (records of nullable fields).
pub(super) fn avro_body(json: &str, schema: &str) -> Vec<u8> {
    let event: Map<String, Value> = serde_json::from_str(json).unwrap();
    let schema = Schema::parse_str(schema).unwrap();
    let Schema::Record(record) = &schema else { panic!() };
    let fields = record.fields.iter().map(|field| (field.name.clone(), avro_value(event.get(&field.name), &field.schema))).collect();
    to_avro_datum(&schema, Avro::Record(fields)).unwrap()
}

fn avro_value(value: Option<&Value>, schema: &Schema) -> Avro {
    match (schema, value) {
        (Schema::Union(union), None | Some(Value::Null)) => {
            let index = union.variants().iter().position(|branch| matches!(branch, Schema::Null)).unwrap();
            Avro::Union(index as u32, Box::new(Avro::Null))
        }
        (Schema::Union(union), value) => {
            let index = union.variants().iter().position(|branch| !matches!(branch, Schema::Null)).unwrap();
            Avro::Union(index as u32, Box::new(avro_value(value, &union.variants()[index])))
        }
        (Schema::TimestampMicros, Some(Value::String(text))) => Avro::TimestampMicros(schemas::Timestamp::parse(text).unwrap().micros()),
        (Schema::TimestampMillis, Some(Value::String(text))) => {
            Avro::TimestampMillis(schemas::Timestamp::parse(text).unwrap().micros() / 1000)
        }
        (Schema::String, Some(Value::String(text))) => Avro::String(text.clone()),
        (Schema::String, Some(other)) => Avro::String(other.to_string()),
        (Schema::Enum(symbols), Some(Value::String(text))) => {
            let index = symbols.symbols.iter().position(|symbol| symbol == text).unwrap();
            Avro::Enum(index as u32, text.clone())
        }
        (Schema::Long, Some(number)) => Avro::Long(number.as_i64().unwrap()),
        (Schema::Int, Some(number)) => Avro::Int(number.as_i64().unwrap() as i32),
        (Schema::Double, Some(number)) => Avro::Double(number.as_f64().unwrap()),
        (Schema::Map(map), Some(Value::Object(fields))) => {
            Avro::Map(fields.iter().map(|(name, value)| (name.clone(), avro_value(Some(value), &map.types))).collect())
        }
        (schema, value) => panic!("{schema:?} {value:?}"),
    }
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![3 => "[a-z0-9/_-]{1,12}".prop_map(Value::from), 1 => any::<String>().prop_map(Value::from), 1 => Just(Value::Null)]
}

fn event() -> impl Strategy<Value = Map<String, Value>> {
    let texts = prop::collection::vec(text(), 16);
    let counts = (0..400_i64, 0..400_i64, 0..200_i64, proptest::option::of(0..1_000_000_i64));
    let pairs = prop::collection::hash_map(
        "[a-zA-Z\u{e9}]{1,4}",
        prop_oneof![any::<String>().prop_map(Value::from), any::<i32>().prop_map(Value::from)],
        0..5,
    );
    ((1..1000_u32, 0..schemas::Timestamp::END.micros()), texts, counts, (pairs.clone(), pairs), "[0-9]{1,8}\\.[0-9]{1,17}").prop_map(
        |((id, micros), texts, counts, (tags, attributes), money)| {
            let names = [
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
                "adjusts",
                "unused",
            ];
            let mut event = Map::new();
            event.insert("event_id".into(), json!(format!("id-{id}")));
            event.insert("source".into(), json!("api"));
            event.insert("occurred_at".into(), json!(schemas::Timestamp::from_micros(micros).to_string()));
            for (name, value) in [
                ("kind", json!("llm")),
                ("provider", json!("openai")),
                ("model", json!("m")),
                ("amount", json!(money)),
                ("currency", json!("EUR")),
            ] {
                event.insert(name.into(), value);
            }
            for (name, value) in names.iter().zip(texts).take(15) {
                event.insert((*name).into(), value);
            }
            event.insert("input_tokens".into(), json!(counts.0 + counts.1));
            event.insert("cache_read_tokens".into(), json!(counts.0));
            event.insert("output_tokens".into(), json!(counts.2));
            event.insert("latency_ms".into(), json!(counts.3));
            event.insert("tags".into(), Value::Object(tags.into_iter().collect()));
            event.insert("attributes".into(), Value::Object(attributes.into_iter().collect()));
            event
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn json_avro_and_cloud_events_have_one_identity_and_one_meaning(event in event()) {
        let json = serde_json::to_string(&event).unwrap();
        let plain = with_event(json.as_bytes(), &[], hashes).unwrap();
        let pretty = serde_json::to_string_pretty(&event).unwrap();
        prop_assert_eq!(with_event(pretty.as_bytes(), &[], hashes), Ok(plain));
        let avro = single_object(&avro_body(&json, USAGE_EVENT_V1));
        prop_assert_eq!(with_event(&avro, &[], hashes), Ok(plain));

        let mut data = event.clone();
        let (id, time) = (data.remove("event_id").unwrap(), data.remove("occurred_at").unwrap());
        data.remove("source");
        let envelope = json!({"specversion": "1.0", "type": "t", "id": id, "source": "api", "time": time, "data": data}).to_string();
        prop_assert_eq!(with_event(envelope.as_bytes(), &[], hashes), Ok(plain));
        let headers: [Header<'_>; 4] = [
            ("ce_specversion", b"1.0"), ("ce_source", b"api"), ("ce_id", id.as_str().unwrap().as_bytes()), ("ce_time", time.as_str().unwrap().as_bytes()),
        ];
        prop_assert_eq!(with_event(Value::Object(data).to_string().as_bytes(), &headers, hashes), Ok(plain));
        prop_assert_eq!(with_event(&avro, &headers, hashes), Ok(plain));
    }
}

#[test]
fn spellings_that_do_not_matter_do_not_matter() {
    let base = r#""event_id":"e1","source":"api","kind":"cost","provider":"p""#;
    let spellings = [
        format!(
            r#"{{{base},"occurred_at":"2026-11-22T10:15:03Z","amount":"1.50","currency":"USD","tier":"standard","latency_ms":5.9,"revenue":1}}"#
        ),
        format!(
            r#"{{"tier":null,"latency_ms":5e0,"currency":"usd","amount":1.5,"occurred_at":"2026-11-22t11:15:03.0000009+01:00","revenue":"1.0","revenue_currency":"usd","tags":{{}},{base}}}"#
        ),
        format!(
            r#"{{{base},"occurred_at":"2026-11-22 10:15:03.000000z","amount":15e-1,"currency":"Usd","team":"","latency_ms":5,"revenue":"+1","cache_read_tokens":-0}}"#
        ),
    ];
    let first = with_event(spellings[0].as_bytes(), &[], hashes).unwrap();
    for text in &spellings {
        assert_eq!(with_event(text.as_bytes(), &[], hashes), Ok(first), "{text}");
    }
}
