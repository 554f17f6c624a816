//! `openapi.json` is true: its routes and parameters are those of the program, and answers are as its schemas say.

use std::collections::BTreeSet;

use console::{INTAKE_ROUTE, OPENAPI, documented_routes};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::engine_process::{shared, text};
use crate::filling::{DATABASE, filled};
use crate::server::{Server, options};

fn document() -> Value {
    serde_json::from_slice(OPENAPI.content).unwrap()
}

fn validator(document: &Value, schema: &str) -> Validator {
    let schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("#/components/schemas/{schema}"), "components": document["components"] });
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn routes_and_parameters_are_those_of_the_program() {
    let document = document();
    let described: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = documented_routes().iter().map(|(path, _)| *path).chain([INTAKE_ROUTE]).collect();
    assert_eq!(described, known);
    assert!(document["paths"][INTAKE_ROUTE]["post"]["requestBody"]["content"]["application/x-ndjson"].is_object());
    for (path, parameters) in documented_routes() {
        let described = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        let in_query = described.iter().filter(|parameter| parameter["in"] == "query").map(|parameter| parameter["name"].as_str().unwrap());
        assert_eq!(in_query.collect::<BTreeSet<_>>(), parameters.iter().copied().collect(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_the_schemas_say_and_defaults_and_limits_are_those_of_the_program() {
    let clickhouse = filled().await;
    let server = Server::start(options(shared().address, DATABASE)).await;
    let document = document();
    let id = text(&clickhouse, "SELECT id FROM alerts LIMIT 1").await;
    let asked = [
        (
            "/api/v1/summary",
            vec!["/api/v1/summary".to_owned(), "/api/v1/summary?currency=XAU".to_owned(), "/api/v1/summary?zone=Asia/Seoul".to_owned()],
        ),
        (
            "/api/v1/spend",
            vec!["/api/v1/spend".to_owned(), "/api/v1/spend?by=model&currency=XAU".to_owned(), "/api/v1/spend?source=events".to_owned()],
        ),
        (
            "/api/v1/series",
            vec![
                "/api/v1/series".to_owned(),
                "/api/v1/series?by=user&limit=2".to_owned(),
                "/api/v1/series?by=team&currency=XAU".to_owned(),
            ],
        ),
        ("/api/v1/budgets", vec!["/api/v1/budgets".to_owned()]),
        ("/api/v1/rhythm", vec!["/api/v1/rhythm".to_owned(), "/api/v1/rhythm?scope=total&limit=1000".to_owned()]),
        ("/api/v1/incidents", vec!["/api/v1/incidents".to_owned(), "/api/v1/incidents?limit=1&state=resolved".to_owned()]),
        ("/api/v1/alerts", vec!["/api/v1/alerts".to_owned(), "/api/v1/alerts?limit=500".to_owned()]),
        ("/api/v1/alerts/{id}", vec![format!("/api/v1/alerts/{id}")]),
        ("/api/v1/health", vec!["/api/v1/health".to_owned()]),
        ("/api/v1/catalog", vec!["/api/v1/catalog".to_owned()]),
    ];
    for (route, paths) in asked {
        let responses = &document["paths"][route]["get"]["responses"];
        let schema = responses["200"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let validator = validator(&document, schema);
        for path in paths {
            let answer = server.get(&path).await;
            let faults: Vec<String> = validator.iter_errors(&answer).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
            assert!(faults.is_empty(), "{path}: {faults:#?}");
        }
        // One more than the described maximum is refused, the maximum is not.
        let limit = document["paths"][route]["get"]["parameters"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "limit");
        if let Some(maximum) = limit.map(|limit| limit["schema"]["maximum"].as_u64().unwrap()) {
            server.get(&format!("{route}?limit={maximum}")).await;
            let (status, problem) = server.ask(&format!("{route}?limit={}", maximum + 1)).await;
            assert_eq!(status, 400, "{route}");
            assert!(self::validator(&document, "Problem").is_valid(&problem), "{problem}");
        }
        // Every described word is taken.
        for parameter in document["paths"][route]["get"]["parameters"].as_array().unwrap() {
            for word in parameter["schema"]["enum"].as_array().into_iter().flatten() {
                server.get(&format!("{route}?{}={}", parameter["name"].as_str().unwrap(), word.as_str().unwrap())).await;
            }
        }
    }
    let (status, answer) = server.ask("/api/v1/openapi.json").await;
    assert_eq!((status, answer), (200, document));
}

#[test]
fn the_schemas_refuse_what_is_no_money() {
    let money = validator(&document(), "Money");
    for (value, is_valid) in [
        (json!("12.50"), true),
        (json!("-0.000000000000000001"), true),
        (json!(12.5), false),
        (json!("1e3"), false),
        (json!("1.0000000000000000001"), false),
    ] {
        assert_eq!(money.is_valid(&value), is_valid, "{value}");
    }
}
