//! `/api/v1/health`: what the pipeline says of itself, what it has done with every offset, how fresh the figures are. Answers also while ClickHouse is away.

use serde_json::{Value, json};

use crate::Console;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::reader::Question;
use crate::time;

/// One partition of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionHealth {
    /// `meter` or `monitor`.
    pub stage: String,
    /// Topic and number.
    pub partition: String,
    /// `running`, `waiting`, `failed` or `stopped`.
    pub state: &'static str,
    /// Why it waits or has failed.
    pub reason: Option<String>,
    /// Messages behind the end of the log, once known.
    pub lag: Option<u64>,
    /// First offset that is not folded yet.
    pub position: Option<i64>,
}

/// What the pipeline says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineHealth {
    /// Every partition of this process.
    pub partitions: Vec<PartitionHealth>,
    /// Sentences: what needs a person.
    pub failures: Vec<String>,
    /// Sentences: what is waited for.
    pub waits: Vec<String>,
}

impl PipelineHealth {
    fn status(&self) -> &'static str {
        if !self.failures.is_empty() {
            "failed"
        } else if self.partitions.is_empty() {
            "starting"
        } else if !self.waits.is_empty() {
            "waiting"
        } else {
            "ok"
        }
    }
}

impl Console {
    pub(crate) async fn health(&self, query: Option<&str>) -> Result<Value, Problem> {
        Parameters::read("/api/v1/health", query, [])?;
        let pipeline = (self.pipeline)();
        let question = self.accounts();
        let asked = self.reader.row(&question).await;
        let now = time::now();
        let (accounts, trouble) = match asked {
            Ok(row) => (Value::Object(row), Value::Null),
            Err(problem) => (Value::Null, problem.json()),
        };
        let partitions = pipeline.partitions.iter().map(|partition| {
            json!({
                "stage": partition.stage, "partition": partition.partition, "state": partition.state, "reason": partition.reason,
                "lag": partition.lag, "position": partition.position,
            })
        });
        Ok(json!({
            "as_of": time::rfc3339(now), "status": pipeline.status(), "failures": pipeline.failures, "waits": pipeline.waits,
            "partitions": partitions.collect::<Vec<_>>(), "is_clickhouse_reachable": trouble.is_null(), "clickhouse_problem": trouble,
            "accounts": accounts, "queries": [question.shown("accounts")],
        }))
    }

    fn accounts(&self) -> Question {
        let database = &self.tables.database;
        let columns = ["offsets_in", "counted", "duplicate", "conflict", "late", "rejected", "skipped"]
            .map(|name| format!("toUInt64(sum({name})) AS {name}"));
        Question::of(format!(
            "SELECT {},\n\
             (SELECT if(count() = 0, NULL, max(last_event_at)) FROM {database}.hourly_total WHERE window_start > now() - INTERVAL 35 DAY) AS last_event_at\n\
             FROM {database}.pipeline_accounts",
            columns.join(", ")
        ))
    }
}
