//! `cost-rhythm estimate`

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use report::estimate::{PromptQuestion, estimate, terminal, tokens};
use schemas::Timestamp;

use super::ConfigArg;
use crate::config::Rules;

/// A prompt has so many bytes at most: no model takes more, and it is read as a whole.
const MOST_BYTES: u64 = 64 << 20;

/// Arguments of `estimate`.
#[derive(clap::Args)]
pub(super) struct EstimateArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The prompt, a text in UTF-8; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tokens of every answer
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    output_tokens: u64,
    /// How often the prompt is sent
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000))]
    calls_per_month: u64,
    /// Print JSON with all digits instead of a table
    #[arg(long)]
    json: bool,
}

/// Estimates and prices.
///
/// # Errors
/// The prompt or the price book cannot be read.
pub(super) fn run(args: &EstimateArgs) -> anyhow::Result<ExitCode> {
    let book = Rules::read(&args.config.load()?)?.book;
    let question = PromptQuestion {
        input_tokens: tokens(&prompt(&args.file)?),
        output_tokens: args.output_tokens,
        calls: args.calls_per_month,
        at: Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()),
    };
    let Some(found) = estimate(&book, &question) else {
        bail!("CR-6012: the month costs more than 10^20, which is no money any more: give fewer --calls-per-month or --output-tokens");
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print!("{}", terminal(&found));
    }
    Ok(ExitCode::SUCCESS)
}

fn prompt(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut read = |input: &mut dyn Read| input.take(MOST_BYTES + 1).read_to_string(&mut text);
    let done = if file == Path::new("-") {
        read(&mut std::io::stdin().lock())
    } else {
        std::fs::File::open(file).and_then(|mut file| read(&mut file))
    };
    done.with_context(|| format!("CR-6012: {}: the prompt cannot be read: expected a text in UTF-8", file.display()))?;
    if text.len() as u64 > MOST_BYTES {
        bail!("CR-6012: {}: more than {} MiB, which no model takes: give the text of one prompt", file.display(), MOST_BYTES >> 20);
    }
    Ok(text)
}
