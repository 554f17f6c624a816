//! Cursors walk over everything exactly once, in every order.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engine_process::shared;
use crate::filling::{DATABASE, filled};
use crate::server::{Server, encoded, field, options};

/// Without what moves with the clock.
fn timeless(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("elapsed_ratio");
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn walking_by_cursors_meets_every_row_once_and_in_the_order_of_the_whole() {
    filled().await;
    let server = Server::start(options(shared().address, DATABASE)).await;
    let zone = encoded("Asia/Kathmandu");
    let questions = [
        "/api/v1/spend?by=model&granularity=hour".to_owned(),
        "/api/v1/spend?by=model&granularity=hour&order=-time".to_owned(),
        format!("/api/v1/spend?by=feature&granularity=hour&order=cost&zone={zone}"),
        "/api/v1/spend?by=model&granularity=day&order=-cost&currency=KRW".to_owned(),
        "/api/v1/spend?by=team&granularity=hour&source=events".to_owned(),
        "/api/v1/series?by=user".to_owned(),
        "/api/v1/series?by=user&order=cost&currency=EUR".to_owned(),
        "/api/v1/series?by=model&order=value".to_owned(),
        "/api/v1/budgets?running=true".to_owned(),
        "/api/v1/rhythm?scope=total".to_owned(),
        "/api/v1/rhythm?state=RESONANT".to_owned(),
        "/api/v1/alerts?rule=spike".to_owned(),
        "/api/v1/alerts?latest=true".to_owned(),
    ];
    for question in questions {
        let join = if question.contains('?') { '&' } else { '?' };
        let largest = if question.contains("alerts") { 500 } else { 1000 };
        let whole = server.get(&format!("{question}{join}limit={largest}")).await;
        assert_eq!(whole["next_cursor"], Value::Null, "{question}");
        let whole = timeless(whole["data"].as_array().unwrap());
        let size = 1 + whole.len() / 4;
        let (mut walked, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = server.get(&format!("{question}{join}limit={size}{cursor}")).await;
            let rows = timeless(page["data"].as_array().unwrap());
            assert!(rows.len() <= size, "{question}");
            walked.extend(rows);
            pages += 1;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
            assert!(pages < 100, "{question}: does not end");
        }
        assert!(pages > 1 || whole.len() < 2, "{question}: {} rows are no walk", whole.len());
        assert!(walked == whole, "{question}: {} rows walked, {} in the whole, or in another order", walked.len(), whole.len());
        let distinct: BTreeSet<String> = walked.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), walked.len(), "{question}");
    }
    // In the order that was asked for, by the whole amount and not by its text.
    let dear = server.get("/api/v1/series?by=user&limit=1000").await;
    let costs: Vec<f64> = dear["data"].as_array().unwrap().iter().map(|row| field(row, "cost").parse().unwrap()).collect();
    assert!(costs.is_sorted_by(|a, b| a >= b) && costs.len() > 20, "{costs:?}");
}
