//! `serde_json` as the oracle: the same texts are JSON, and mean the same.

use proptest::prelude::*;

use super::{BASE, code, with_event};

fn trouble() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just("\"a\"".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"\\u00e9\\n\"".to_owned()),
        Just("\"\\x\"".to_owned()),
        Just("\"".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("nul".to_owned()),
        Just(" ".to_owned()),
        Just("\n".to_owned()),
        Just("0".to_owned()),
        Just("-".to_owned()),
        Just("1.5".to_owned()),
        Just("1.".to_owned()),
        Just("1e5".to_owned()),
        Just("1E+".to_owned()),
        Just("-0.0e-1".to_owned()),
        Just("01".to_owned()),
        "\\PC{0,3}",
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..6).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_json_to_serde_is_json_here(text in trouble()) {
        let payload = format!("{{{BASE},\"x\":{text}}}");
        let oracle = serde_json::from_str::<serde::de::IgnoredAny>(&payload).is_ok();
        let found = code(payload.as_bytes());
        // Text that closes the event early may repeat a known key or leave bytes behind; only the verdict "no JSON" is compared.
        match found {
            Ok(()) => prop_assert!(oracle, "{payload}"),
            Err("not_json" | "trailing_bytes") => prop_assert!(!oracle, "{payload}"),
            Err(_) => {}
        }
    }

    #[test]
    fn a_nested_value_keeps_its_meaning_and_has_one_spelling(value in value()) {
        let payloads = [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()].map(|text| format!("{{{BASE},\"attributes\":{{\"x\":{text}}}}}"));
        let texts = payloads.map(|payload| {
            with_event(payload.as_bytes(), &[], |event| event.attributes.first().map(|(_, text)| (*text).to_owned()).unwrap_or_default()).unwrap()
        });
        prop_assert_eq!(&texts[0], &texts[1]);
        match &value {
            serde_json::Value::Null => prop_assert_eq!(&texts[0], ""),
            serde_json::Value::String(text) => prop_assert_eq!(&texts[0], text),
            // serde_json's map is sorted by key, so its compact text is the canonical one.
            other => prop_assert_eq!(&texts[0], &other.to_string()),
        }
    }
}
