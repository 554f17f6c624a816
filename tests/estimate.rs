//! `cost-rhythm estimate`: a prompt from a file and from standard input, by the price book that comes with the program.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn estimate(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cost-rhythm"));
    command.arg("estimate").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn a_prompt_is_priced_by_every_model_cheapest_first() {
    let directory = tempfile::tempdir().unwrap();
    let prompt = "Summarise the following text in one sentence. ".repeat(100);
    let file = directory.path().join("prompt.txt");
    std::fs::write(&file, &prompt).unwrap();
    let arguments = ["--output-tokens", "200", "--calls-per-month", "1000", "--json"];
    let output = estimate(&[&[file.to_str().unwrap()], &arguments[..]].concat(), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(estimate(&[&["-"], &arguments[..]].concat(), prompt.as_bytes()).stdout, output.stdout);

    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["format"], "cost-rhythm-estimate/1");
    // Eight tokens a sentence, and as o200k_base counts them.
    let tokens = found["input_tokens"].as_u64().unwrap();
    assert!((700..=900).contains(&tokens), "{found}");
    let models = found["models"].as_array().unwrap();
    let money = |value: &serde_json::Value| value.as_str().unwrap().parse::<schemas::Money>().unwrap();
    assert!(models.len() > 5 && models.is_sorted_by_key(|model| money(&model["call"])), "{found}");
    // A dollar and five a million.
    let haiku = models.iter().find(|model| model["model"] == "claude-haiku-4-5").unwrap();
    let million = |dollars: u64| i128::from(dollars) * 10_i128.pow(12);
    let call = i128::from(tokens) * million(1) + 200 * million(5);
    assert_eq!((money(&haiku["call"]).units(), money(&haiku["month"]).units()), (call, call * 1000));

    let text = String::from_utf8(estimate(&["-"], b"Hello").stdout).unwrap();
    assert!(
        text.starts_with("About 1 tokens of prompt, 0 of answer, 1 calls a month") && text.contains("an estimate without a tokenizer"),
        "{text}"
    );
}

#[test]
fn what_is_no_prompt_is_refused_with_the_reason() {
    for (arguments, input, words) in [
        (&["/nowhere.txt"][..], &b""[..], "CR-6012: /nowhere.txt: the prompt cannot be read"),
        (&["-"], b"\xff\xfe", "expected a text in UTF-8"),
        (&["-", "--calls-per-month", "many"], b"", "invalid value 'many'"),
    ] {
        let output = estimate(arguments, input);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(words), "{said}");
    }
}
