//! The real traces in `data/`, embedded.

use std::io::Read;

use crate::GenerateError;

/// Sizes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) input: i64,
    pub(crate) output: i64,
    /// Input that stood in an earlier request's prefix.
    pub(crate) cached: i64,
}

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Code,
    Conversation,
    LongContext,
}

/// Tokens in a prefix block of the Mooncake trace.
const BLOCK_TOKENS: i64 = 512;

/// Everything embedded, decoded.
#[derive(Debug)]
pub(crate) struct Traces {
    code: Vec<Request>,
    conversation: Vec<Request>,
    long_context: Vec<Request>,
    /// Relative requests of each hour of two weeks.
    pub(crate) hourly: Vec<u64>,
}

impl Traces {
    pub(crate) fn load() -> Result<Self, GenerateError> {
        let code = rows(include_bytes!("../../data/azure_llm_2023/code.csv.gz"))?;
        let conversation = rows(include_bytes!("../../data/azure_llm_2023/conv.csv.gz"))?;
        let long_context = rows(include_bytes!("../../data/mooncake/conversation.csv.gz"))?;
        let hourly = rows(include_bytes!("../../data/servegen/hourly_requests.csv.gz"))?;
        Ok(Traces {
            code: requests(&code)?,
            conversation: requests(&conversation)?,
            long_context: requests(&long_context)?,
            hourly: mixed(&hourly)?,
        })
    }

    pub(crate) fn requests(&self, origin: Origin) -> &[Request] {
        match origin {
            Origin::Code => &self.code,
            Origin::Conversation => &self.conversation,
            Origin::LongContext => &self.long_context,
        }
    }
}

fn rows(gz: &[u8]) -> Result<Vec<Vec<String>>, GenerateError> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(gz).read_to_string(&mut text).map_err(|e| GenerateError::Trace(e.to_string()))?;
    Ok(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

fn number(row: &[String], column: usize) -> Result<i64, GenerateError> {
    let cell = row.get(column).map_or("", String::as_str);
    cell.parse().map_err(|_| GenerateError::Trace(format!("expected a number, found {cell:?}")))
}

fn requests(rows: &[Vec<String>]) -> Result<Vec<Request>, GenerateError> {
    let request = |row: &Vec<String>| {
        let input = number(row, 1)?;
        let blocks = if row.len() > 3 { number(row, 3)? } else { 0 };
        Ok(Request { input, output: number(row, 2)?, cached: (blocks * BLOCK_TOKENS).min(input) })
    };
    rows.iter().map(request).collect()
}

/// The three models' hours with equal weight, at least 1 each so that no hour is empty.
fn mixed(rows: &[Vec<String>]) -> Result<Vec<u64>, GenerateError> {
    const HOURS: usize = 14 * 24;
    let mut hourly = vec![1; HOURS];
    let all: Vec<_> = rows.iter().filter(|row| row.get(1).is_some_and(|client| client == "all")).collect();
    for model in ["m-small", "m-mid", "m-large"] {
        let of_model: Vec<_> = all.iter().filter(|row| row[0] == model).collect();
        let total = of_model.iter().try_fold(0, |sum, row| Ok::<_, GenerateError>(sum + number(row, 3)?))?.max(1);
        for row in of_model {
            let hour = usize::try_from(number(row, 2)?).unwrap_or(HOURS);
            if let Some(weight) = hourly.get_mut(hour) {
                *weight += (number(row, 3)? * 1_000_000 / total).unsigned_abs();
            }
        }
    }
    Ok(hourly)
}
