//! `check --offline`: what is wrong with a configuration is said before anything is connected to, by key, value and remedy.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

/// What is printed of a configuration, and whether it can be used.
fn check(directory: &std::path::Path, text: &str) -> (bool, String) {
    std::fs::write(directory.join("c.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cost-rhythm"));
    let output = command.args(["check", "--offline", "--config", "c.toml"]).current_dir(directory).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_value_that_cannot_work_is_named_with_its_key_and_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str]); 12] = [
        ("[kafka]\nbrokrs = \"x\"", &["CR-3002: c.toml: kafka.brokrs", "expected `one of `brokers`"]),
        ("[kafka]\nsession_timeout = \"7\"", &["CR-3002: c.toml: kafka.session_timeout = \"7\"", "such as \"15m\""]),
        ("[http]\nlisten = \"here\"", &["CR-3002: c.toml: http.listen = \"here\""]),
        ("[kafka]\npassword_file = \"none\"", &["CR-3001: kafka.password_file none"]),
        ("[prices]\nbooks = [\"none.toml\"]", &["CR-3001: prices.books none.toml"]),
        ("[budgets]\nfiles = [\"none.toml\"]", &["CR-3001: budgets.files none.toml"]),
        ("[clickhouse]\ndatabase = \"a b\"", &["CR-3003: clickhouse.database", "\"a b\"", "letters, digits and _"]),
        ("[clickhouse]\nurl = \"127.0.0.1:8123\"", &["CR-3003: clickhouse.url", "http://host:port"]),
        ("[registry]\nurl = \"ftp://x\"", &["CR-3003", "registry.url", "http://host:port"]),
        (
            "[kafka]\nsecurity = \"sasl_tls\"\nsasl_mechanism = \"NTLM\"\nusername = \"u\"\npassword_file = \"c.toml\"",
            &["kafka.sasl_mechanism = \"NTLM\""],
        ),
        ("[kafka.properties]\n\"enable.auto.commit\" = \"true\"", &["CR-3003: kafka.properties", "enable.auto.commit", "remove it"]),
        ("[kafka.properties]\n\"linger.mss\" = \"5\"", &["CR-3003: kafka.properties", "linger.mss"]),
    ];
    for (text, named) in cases {
        let (is_good, said) = check(directory.path(), text);
        assert!(!is_good, "{text}: {said}");
        for part in named {
            assert!(said.contains(part), "{text}: {part}: {said}");
        }
    }
    // A URL may hold a password, so a wrong one is not repeated.
    for text in ["[registry]\nurl = \"http://u:hunter2@h\"", "[clickhouse]\nurl = \"http://u:hunter2@h\""] {
        let (is_good, said) = check(directory.path(), text);
        assert!(!is_good && said.contains("password") && !said.contains("hunter2"), "{said}");
    }
    assert!(check(directory.path(), "").0);
}
