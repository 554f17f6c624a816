//! `cost-rhythm reconcile` on the real engine: bills of FOCUS, AWS and Google Cloud against events of fixed dates.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::PathBuf;
use std::process::{Command, Output};

use support::Engine;

/// What was counted: provider, service, hours after 2026-11-23 00:00, US dollars, unpriced events.
const COUNTED: [(&str, &str, u32, &str, u32); 9] = [
    ("aws", "AmazonEC2", 1, "40.25", 0),
    // Another name of ours for what AWS bills.
    ("aws.bedrock", "", 23, "0.000000000000000001", 0),
    ("aws", "AmazonS3", 24, "12.5000000003", 0),
    ("gcp", "Compute Engine", 5, "7.000000000000000001", 0),
    ("vertex_ai", "", 30, "3", 2),
    ("anthropic", "", 2, "20", 0),
    ("anthropic", "", 26, "21.37", 0),
    ("openai", "", 3, "99", 0),
    // Before and after the bills' days.
    ("aws", "AmazonEC2", 72, "1000", 0),
];

/// As AWS writes it: `lineItem/...` among many other columns, amounts with ten decimals, `\n`.
const AWS: &str = "identity/LineItemId,identity/TimeInterval,bill/InvoiceId,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/ProductCode,lineItem/UsageType,lineItem/CurrencyCode,lineItem/UnblendedRate,lineItem/UnblendedCost,lineItem/LineItemDescription,product/ProductName
b4,2026-11-23T00:00:00Z/2026-11-23T01:00:00Z,,111122223333,Usage,2026-11-23T00:00:00Z,2026-11-23T01:00:00Z,AmazonEC2,BoxUsage:m7g.large,USD,0.0816,40.2000000000,\"$0.0816 per hour, on demand\",Amazon Elastic Compute Cloud
b5,2026-11-23T23:00:00Z/2026-11-24T00:00:00Z,,111122223333,Usage,2026-11-23T23:00:00Z,2026-11-24T00:00:00Z,AmazonBedrock,USE1-InputTokenCount,USD,0.0000030000,0.0500000000,,Amazon Bedrock
b6,2026-11-24T00:00:00Z/2026-11-24T01:00:00Z,,111122223333,Usage,2026-11-24T00:00:00Z,2026-11-24T01:00:00Z,AmazonS3,TimedStorage-ByteHrs,USD,0.0230000000,12.4999999999,,Amazon Simple Storage Service
b7,2026-11-24T00:00:00Z/2026-11-24T01:00:00Z,,111122223333,Usage,2026-11-24T00:00:00Z,2026-11-24T01:00:00Z,AmazonS3,Requests-Tier1,USD,,4.0E-10,,Amazon Simple Storage Service
b8,2026-11-01T00:00:00Z/2026-12-01T00:00:00Z,,111122223333,Tax,2026-11-01T00:00:00Z,2026-11-30T23:59:59Z,AmazonEC2,,USD,,9.8300000000,Tax for product code AmazonEC2,Amazon Elastic Compute Cloud
b9,2026-11-23T00:00:00Z/2026-11-24T00:00:00Z,,111122223333,Credit,2026-11-23T00:00:00Z,2026-11-24T00:00:00Z,AmazonS3,,USD,,-5.0000000000,Promotional credit,Amazon Simple Storage Service
";

/// As BigQuery exports the table: one object a line, binary floating point in its shortest form.
const GCP: &str = r#"{"billing_account_id":"010101-F0FFF0-61C528","service":{"id":"6F81-5844-456A","description":"Compute Engine"},"sku":{"id":"2E27-4F75-95CD","description":"N1 Predefined Instance Core"},"usage_start_time":"2026-11-23 05:00:00 UTC","usage_end_time":"2026-11-23 06:00:00 UTC","labels":[],"cost":6.9999876543210987,"currency":"USD","currency_conversion_rate":1.0,"credits":[{"name":"Sustained Usage Discount","amount":-0.75}],"invoice":{"month":"202611"},"cost_type":"regular"}
{"billing_account_id":"010101-F0FFF0-61C528","service":{"id":"6F81-5844-456A","description":"Compute Engine"},"usage_start_time":"2026-11-23 06:00:00 UTC","usage_end_time":"2026-11-23 07:00:00 UTC","cost":1.23456789013E-5,"currency":"USD","credits":[],"cost_type":"regular"}
{"billing_account_id":"010101-F0FFF0-61C528","service":{"id":"C7E2-9256-1C43","description":"Vertex AI"},"usage_start_time":"2026-11-24 06:00:00 UTC","usage_end_time":"2026-11-24 07:00:00 UTC","cost":3,"currency":"USD","credits":[],"cost_type":"regular"}
{"billing_account_id":"010101-F0FFF0-61C528","service":{"id":"C7E2-9256-1C43","description":"Invoice"},"usage_start_time":"2026-11-30 07:00:00 UTC","usage_end_time":"2026-11-30 08:00:00 UTC","cost":0.003,"currency":"USD","credits":[],"cost_type":"rounding_error"}
"#;

/// Two providers, one in another currency; names and texts with what CSV must quote.
const FOCUS: &str = "BilledCost,BillingAccountId,BillingCurrency,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,EffectiveCost,ProviderName,PublisherName,ServiceName\r
27600,acct-1,KRW,Usage,,\"Claude Haiku,\r
input tokens\",2026-11-24T00:00:00Z,2026-11-23T00:00:00Z,27600,Anthropic,Anthropic,Claude API\r
29905,acct-1,KRW,Usage,,\"Claude \"\"Haiku\"\"\",2026-11-25T00:00:00Z,2026-11-24T00:00:00Z,29904.5,Anthropic,Anthropic,Claude API\r
-500,acct-1,KRW,Usage,Correction,Of October,2026-11-24T00:00:00Z,2026-11-23T00:00:00Z,-500,Anthropic,Anthropic,Claude API\r
";

struct Stand {
    config: PathBuf,
    url: String,
    _engine: Engine,
    directory: tempfile::TempDir,
}

fn stand() -> Stand {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::start(directory.path());
    let url = engine.url();
    engine.filled(&tokio::runtime::Runtime::new().unwrap(), "cost_rhythm", &statements());
    let config = directory.path().join("config.toml");
    std::fs::write(&config, format!("[clickhouse]\nurl = \"{url}\"\n")).unwrap();
    Stand { config, url, _engine: engine, directory }
}

fn statements() -> Vec<String> {
    let event = |(provider, service, hour, cost, unpriced): &(&str, &str, u32, &str, u32)| {
        format!(
            "('{provider}', '{service}', toDateTime('2026-11-23 00:00:00', 'UTC') + toIntervalHour({hour}), toDecimal128('{cost}', 18), {unpriced})"
        )
    };
    let events = COUNTED.iter().map(event).collect::<Vec<_>>().join(", ");
    let rollups = |(granularity, start): &(&str, &str)| {
        format!(
            "INSERT INTO rollups SELECT '{granularity}', s.1, {start} AS w, s.2, 0, 1, true, count(), 0, 0, sum(e.5), 0, 0, 0, 0, 0, sum(e.4), 0, 0, 0, 0, 0, min(at), max(at)
            FROM (SELECT arrayJoin([{events}]) AS e, e.3 AS at, arrayJoin([('provider', [e.1]), ('service', [e.2])]) AS s) GROUP BY s, w"
        )
    };
    let granularities = [("quarter_hour", "toStartOfFifteenMinutes(at)"), ("day", "toStartOfDay(at, 'UTC')")];
    let rates = "INSERT INTO exchange_rate_rows VALUES ('one', now64(6), 'KRW', '2026-01-01 00:00:00', '1380'), ('one', now64(6), 'KRW', '2026-11-24 00:00:00', '1400')";
    granularities.iter().map(rollups).chain([rates.to_owned()]).collect()
}

impl Stand {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(support::PROGRAM).args(["reconcile", "--config", self.config.to_str().unwrap()]).args(arguments).output().unwrap()
    }

    /// The exit code and the document.
    fn json(&self, arguments: &[&str]) -> (i32, serde_json::Value) {
        let output = self.run(&[arguments, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let document = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), document)
    }

    /// The exit code and all that is said.
    fn say(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    }
}

/// `name day billed counted difference` of all lines of a part.
fn lines(document: &serde_json::Value, part: &str) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("all").to_owned();
    let line = |line: &serde_json::Value| ["name", "day", "billed", "counted", "difference"].map(|name| text(&line[name])).join(" ");
    document[part].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn bills_of_all_forms_are_compared_with_what_was_counted_to_the_last_digit() {
    let stand = stand();
    let (aws, gcp, focus) = (stand.file("cur.csv", AWS), stand.file("gcp.jsonl", GCP), stand.file("focus.csv", FOCUS));

    // AWS: 10^-18 less than what we counted, found and within the tolerance.
    let (code, found) = stand.json(&[&aws]);
    assert_eq!((code, &found["format"], &found["verdict"]), (0, &"cost-rhythm-reconciliation/1".into(), &"within".into()));
    assert_eq!(
        lines(&found, "lines"),
        ["aws 2026-11-23 40.25 40.250000000000000001 0.000000000000000001", "aws 2026-11-24 12.5000000003 12.5000000003 0"]
    );
    assert_eq!(lines(&found, "totals"), ["aws all 52.7500000003 52.750000000300000001 0.000000000000000001"]);
    assert_eq!(found["lines"][0]["drift_percent"], "0.000000000000000002");
    assert_eq!((&found["first_day"], &found["last_day"], &found["time_zone"]), (&"2026-11-23".into(), &"2026-11-24".into(), &"UTC".into()));
    let apart: Vec<String> = found["apart"].as_array().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        apart,
        [r#"{"name":"aws","kind":"tax","charges":1,"amount":"9.83"}"#, r#"{"name":"aws","kind":"credit","charges":1,"amount":"-5"}"#]
            .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap().to_string())
    );
    let elsewhere: Vec<&str> = found["only_counted"].as_array().unwrap().iter().filter_map(|line| line["name"].as_str()).collect();
    assert_eq!(elsewhere, ["anthropic", "gcp", "openai"]);
    // And it is enough to fail where nothing may differ.
    assert_eq!(stand.json(&[&aws, "--tolerance", "0%"]).0, 1);

    // Google: what its floating point says, to the last digit.
    let (code, found) = stand.json(&[&gcp]);
    assert_eq!((code, &found["files"][0]["form"], &found["files"][0]["charges"]), (0, &"gcp".into(), &4.into()));
    assert_eq!(lines(&found, "lines"), ["gcp 2026-11-23 7 7.000000000000000001 0.000000000000000001", "gcp 2026-11-24 3 3 0"]);
    assert!(found["notes"].to_string().contains("2 counted events have no known price"), "{found}");

    // FOCUS in won: day by day at the rate in force when the day began.
    let (code, found) = stand.json(&[&focus]);
    assert_eq!(
        (code, lines(&found, "lines")),
        (
            0,
            vec![
                "anthropic 2026-11-23 20 20 0".to_owned(),
                "anthropic 2026-11-24 21.360714285714285714 21.37 0.009285714285714286".to_owned()
            ]
        )
    );
    assert_eq!(found["apart"][0]["kind"], "correction");
    assert!(found["notes"].to_string().contains("KRW converted to US dollars day by day"), "{found}");
    let (_, effective) = stand.json(&[&focus, "--cost", "effective"]);
    assert_eq!(effective["lines"][1]["billed"], "21.360357142857142857");

    // All at once, for people.
    let (code, text) = stand.say(&[&aws, &gcp, &focus]);
    assert_eq!(code, 0, "{text}");
    for words in [
        "by provider and UTC day, in US dollars",
        "openai  99.00",
        "tax     ",
        "Every day and every total is within 1 %.",
        "focus.csv: FOCUS, BilledCost, 3 charges",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }

    // The same days from quarter hours, where the business day is another.
    let seoul = stand.file("seoul.toml", &format!("[clickhouse]\nurl = \"{}\"\n[windows]\ntime_zone = \"Asia/Seoul\"\n", stand.url));
    let output = Command::new(support::PROGRAM).args(["reconcile", "--config", &seoul, &aws, "--json"]).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(lines(&document, "totals"), ["aws all 52.7500000003 52.750000000300000001 0.000000000000000001"]);
}

#[test]
fn a_cent_is_found_and_what_cannot_be_judged_is_said() {
    let stand = stand();
    let cent = stand.file("cent.csv", &AWS.replace("12.4999999999", "12.5099999999"));
    let (code, found) = stand.json(&[&cent, "--tolerance", "0.01%"]);
    assert_eq!((code, &found["verdict"]), (1, &"differs".into()));
    assert_eq!(lines(&found, "lines")[1], "aws 2026-11-24 12.5100000003 12.5000000003 -0.01");
    assert_eq!((&found["lines"][0]["is_within"], &found["lines"][1]["is_within"]), (&true.into(), &false.into()));
    let (code, text) = stand.say(&[&cent, "--tolerance", "0.01%"]);
    assert_eq!(code, 1);
    assert!(text.contains("-0.0100") && text.contains("1 of 2 days and 1 of 1 totals differ by more than 0.01 %"), "{text}");

    // By service, under our names; one that is only billed.
    let (code, found) = stand.json(&[&cent, "--by", "service", "--service-name", "AmazonS3=s3"]);
    assert_eq!(code, 1);
    let expected = ["amazonbedrock all 0.05 0 -0.05", "amazonec2 all 40.2 40.25 0.05", "s3 all 12.5100000003 12.5000000003 -0.01"];
    assert_eq!(
        (lines(&found, "totals"), &found["only_billed"]),
        (expected.map(str::to_owned).to_vec(), &serde_json::json!(["amazonbedrock"]))
    );

    // Only Bedrock, taken out of AWS on both sides.
    let apart =
        ["--provider-name", "aws/AmazonBedrock=bedrock", "--provider-name", "aws.bedrock=bedrock", "--provider-name", "bedrock=bedrock"];
    let (code, found) = stand.json(&[&[cent.as_str(), "--provider", "bedrock"], &apart[..]].concat());
    assert_eq!((code, lines(&found, "totals")), (1, vec!["bedrock all 0.05 0.000000000000000001 -0.049999999999999999".to_owned()]));

    // Nobody has counted Azure, and no rate is known for francs.
    let azure = stand.file("azure.csv", &FOCUS.replace("Anthropic", "Microsoft"));
    let (code, text) = stand.say(&[&azure]);
    assert_eq!(code, 3);
    assert!(text.contains("Only in the bill: azure") && text.contains("No judgement: nothing that is billed was counted"), "{text}");
    let header = FOCUS.lines().next().unwrap();
    let (code, text) = stand.say(&[&stand.file("none.csv", header)]);
    assert!(code == 3 && text.contains("No judgement: the bill has no charge"), "{text}");
    let (code, text) = stand.say(&[&stand.file("francs.csv", &FOCUS.replace("KRW", "CHF"))]);
    assert!(
        code == 2 && text.contains("CR-6004: CHF: no exchange rate: exchange_rates has none") && text.contains("francs.csv, line 2"),
        "{text}"
    );

    // What is wrong with a file.
    let (code, text) = stand.say(&[&stand.file("bad.csv", &AWS.replace("40.2000000000", "\"40,20\""))]);
    assert!(code == 2 && text.contains("bad.csv, line 2, column lineItem/UnblendedCost: \"40,20\": expected a decimal number"), "{text}");
    let (code, text) = stand.say(&["/nowhere.csv"]);
    assert!(code == 2 && text.contains("CR-6008: /nowhere.csv: cannot be read"), "{text}");
    let (code, text) = stand.say(&[&cent, "--format", "focus"]);
    assert!(code == 2 && text.contains("no column ChargePeriodStart"), "{text}");
    let (code, text) = stand.say(&[&cent, "--tolerance", "1"]);
    assert!(code == 2 && text.contains("expected a percentage from 0% to 100%"), "{text}");
}
