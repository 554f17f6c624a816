//! Whole bills, small.

use std::io::Write;

use super::*;

fn ledger(by: By) -> Ledger {
    let mut providers = Names::default();
    providers.add("Amazon Web Services", "aws");
    let (form, cost, services) = (None, CostColumn::Billed, Names::default());
    Ledger::new(BillOptions { form, cost, by, providers, services, only: Vec::new() })
}

/// What a bill adds up to: `name day amount currency`, then what stays apart.
fn sums(ledger: &Ledger) -> Vec<String> {
    let compared = ledger.sums.iter().map(|((name, day, currency), sum)| format!("{name} {day} {} {currency}", sum.rounded()));
    let apart = ledger.apart.iter().map(|((name, kind, day, currency), (charges, sum))| {
        format!("{} {name} {day} {} {currency} x{charges}", kind.name(), sum.rounded())
    });
    compared.chain(apart).collect()
}

fn read_bytes(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut ledger = ledger(By::Provider);
    ledger.read("bill.csv", bytes).map_err(|error| error.to_string())?;
    Ok(sums(&ledger))
}

fn refusal(text: &str) -> String {
    read_bytes(text.as_bytes()).unwrap_err()
}

const FOCUS: &str = "BilledCost,BillingCurrency,ChargeCategory,ChargeClass,ChargePeriodStart,ProviderName,ServiceName";
const AWS: &str =
    "identity/LineItemId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/CurrencyCode,lineItem/UnblendedCost";

#[test]
fn every_form_is_told_by_its_header() {
    let cases = [
        (
            format!("{FOCUS}\n1.5,USD,Usage,,2026-11-23T00:00:00Z,Amazon Web Services,S3\n-2,USD,Tax,,2026-11-23T00:00:00Z,AWS,S3\n"),
            vec!["aws 2026-11-23 1.5 USD", "tax aws 2026-11-23 -2 USD x1"],
        ),
        (
            format!("{AWS}\nid,Usage,2026-11-23T05:00:00Z,AmazonEC2,USD,0.0000000001\nid,Refund,2026-11-23T05:00:00Z,AmazonEC2,USD,-1E-10\n"),
            vec!["aws 2026-11-23 0.0000000001 USD", "refund aws 2026-11-23 -0.0000000001 USD x1"],
        ),
        (
            "line_item_usage_start_date,line_item_unblended_cost,line_item_currency_code,line_item_line_item_type\n2026-11-23T05:00:00.000Z,7,USD,FlatRateSubscription\n".to_owned(),
            vec!["aws 2026-11-23 7 USD"],
        ),
        (
            "service.description,usage_start_time,cost,currency,credits,cost_type\nCompute Engine,2026-11-23 05:00:00 UTC,1.0000000000000001E-5,EUR,\"[{\"\"name\"\":\"\"x\"\",\"\"amount\"\":-1e-6},{\"\"amount\"\":\"\"-0.5\"\"}]\",regular\n\
             Compute Engine,2026-11-23 06:00:00 UTC,3,EUR,[],rounding_error\n".to_owned(),
            vec!["gcp 2026-11-23 0.00001 EUR", "credit gcp 2026-11-23 -0.500001 EUR x1", "rounding gcp 2026-11-23 3 EUR x1"],
        ),
        (
            "{\"usage_start_time\":\"2026-11-23 05:00:00 UTC\",\"cost\":1.5e-3,\"currency\":\"USD\",\"service\":{\"id\":\"x\",\"description\":\"Vertex AI\"},\"credits\":[]}\n\n\
             {\"usage_start_time\":\"2026-11-24 05:00:00 UTC\",\"cost\":\"2\",\"currency\":\"USD\",\"credits\":[{\"amount\":-2}],\"cost_type\":\"regular\"}".to_owned(),
            vec!["gcp 2026-11-23 0.0015 USD", "gcp 2026-11-24 2 USD", "credit gcp 2026-11-24 -2 USD x1"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read_bytes(text.as_bytes()).unwrap(), expected, "{text}");
    }
}

#[test]
fn byte_order_marks_gzip_windows_lines_and_quoted_newlines_are_fine() {
    let plain = format!("{FOCUS}\r\n1.5,USD,Usage,,2026-11-23T00:00:00Z,Amazon Web Services,\"S3,\r\nGlacier \"\"cold\"\"\"\r\n");
    let marked = [b"\xef\xbb\xbf", plain.as_bytes()].concat();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&marked).unwrap();
    // AWS joins gzip members.
    let packed = packed.finish().unwrap();
    for bytes in [plain.as_bytes(), &marked, &packed] {
        assert_eq!(read_bytes(bytes).unwrap(), ["aws 2026-11-23 1.5 USD"]);
    }
    let after = format!("{plain}\r\nx,USD,Usage,,2026-11-23T00:00:00Z,AWS,S3\n");
    assert!(refusal(&after).starts_with("CR-6010: bill.csv, line 5, column BilledCost: \"x\""), "{}", refusal(&after));
}

#[test]
fn what_is_wrong_is_named_with_file_line_column_and_value() {
    let row = |row: &str| format!("{FOCUS}\n1,USD,Usage,,2026-11-23T00:00:00Z,AWS,S3\n{row}\n");
    for (text, code, words) in [
        (String::new(), "CR-6009: bill.csv, line 1", "is empty"),
        ("\u{feff}".to_owned(), "CR-6009: bill.csv, line 1", "is empty"),
        ("a;b;c\n1;2;3\n".to_owned(), "CR-6009: bill.csv, line 1", "separated by commas, found \"a;b;c\""),
        (FOCUS.replace("BillingCurrency", "Currency"), "CR-6009: bill.csv, line 1", "no column BillingCurrency"),
        (
            AWS.replace("lineItem/UnblendedCost", "cost"),
            "CR-6009: bill.csv, line 1",
            "no column lineItem/UnblendedCost or line_item_unblended_cost",
        ),
        (FOCUS.replace("ServiceName", "billedcost"), "CR-6009: bill.csv, line 1", "two columns are called BilledCost"),
        (row(FOCUS), "CR-6009: bill.csv, line 3", "a second header"),
        (row("1,USD,Usage"), "CR-6009: bill.csv, line 3", "3 fields, and the header has 7"),
        (row("\"1,5\",USD,Usage,,2026-11-23T00:00:00Z,AWS,S3"), "CR-6010: bill.csv, line 3, column BilledCost: \"1,5\"", "decimal number"),
        (row("1E-40,USD,Usage,,2026-11-23T00:00:00Z,AWS,S3"), "CR-6010: bill.csv, line 3, column BilledCost: \"1E-40\"", "36 decimals"),
        (
            row("1,USD,Usage,,11/23/2026,AWS,S3"),
            "CR-6010: bill.csv, line 3, column ChargePeriodStart: \"11/23/2026\"",
            "2026-11-23T05:00:00Z",
        ),
        (
            row("1,credits,Usage,,2026-11-23T00:00:00Z,AWS,S3"),
            "CR-6010: bill.csv, line 3, column BillingCurrency: \"credits\"",
            "three letters",
        ),
        (row("1,USD,,,2026-11-23T00:00:00Z,AWS,S3"), "CR-6010: bill.csv, line 3, column ChargeCategory: \"\"", "Usage or Tax"),
        (row("1,USD,Usage,,2026-11-23T00:00:00Z,,S3"), "CR-6010: bill.csv, line 3, column ProviderName: \"\"", "provider's name"),
        ("[{\"cost\":1}]".to_owned(), "CR-6009: bill.csv, line 1", "newline delimited JSON"),
        ("{\"cost\":1,\"currency\":\"USD\"}".to_owned(), "CR-6009: bill.csv, line 1", "no field usage_start_time"),
        ("{\"cost\":1".to_owned(), "CR-6009: bill.csv, line 1", "is no charge of a Google Cloud billing export"),
        (
            "usage_start_time,cost,currency,credits\n2026-11-23,1,USD,-5\n".to_owned(),
            "CR-6010: bill.csv, line 2, column credits: \"-5\"",
            "JSON array",
        ),
    ] {
        let said = refusal(&text);
        assert!(said.starts_with(code) && said.contains(words), "{text}\n{said}");
    }
    let large =
        row("99999999999999999999,USD,Usage,,2026-11-23T00:00:00Z,AWS,S3\n99999999999999999999,USD,Usage,,2026-11-23T00:00:00Z,AWS,S3");
    assert!(refusal(&large).starts_with("CR-6011: bill.csv, line 4: amounts add up"), "{}", refusal(&large));
    assert!(read_bytes(&[0x1f, 0x8b, 8, 0, 0]).unwrap_err().starts_with("CR-6008: bill.csv: cannot be read"));
    assert!(read_bytes(b"ChargePeriodStart,\xff\n").unwrap_err().contains("is no UTF-8"));
}

#[test]
fn a_quote_that_is_never_closed_does_not_take_the_memory() {
    let text = format!("{FOCUS}\n1,USD,Usage,,2026-11-23T00:00:00Z,AWS,\"{}", "S3,\n".repeat(4 << 20));
    assert!(refusal(&text).starts_with("CR-6009: bill.csv, line 1: the next record is longer than 8 MiB"), "{}", refusal(&text));
}

#[test]
fn services_and_one_provider_of_several_can_be_compared() {
    let text =
        format!("{FOCUS}\n1,USD,Usage,,2026-11-23T00:00:00Z,AWS,Amazon S3\n2,USD,Usage,,2026-11-23T00:00:00Z,Microsoft,Virtual Machines\n");
    let mut by_service = ledger(By::Service);
    by_service.options.services.add("amazon s3", "s3");
    by_service.read("bill.csv", text.as_bytes()).unwrap();
    assert_eq!(sums(&by_service), ["s3 2026-11-23 1 USD", "virtual machines 2026-11-23 2 USD"]);
    let mut one = Ledger::new(BillOptions { only: vec!["Amazon Web Services".to_owned()], ..ledger(By::Provider).options });
    one.read("bill.csv", text.as_bytes()).unwrap();
    assert_eq!(sums(&one), ["aws 2026-11-23 1 USD"]);
    // Without the column there is nothing to compare by.
    let refused = ledger(By::Service).read("bill.csv", text.replace("ServiceName", "Service").as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("no column ServiceName"), "{refused}");
}

#[test]
fn the_effective_cost_is_focus_only() {
    let effective = || Ledger::new(BillOptions { cost: CostColumn::Effective, ..ledger(By::Provider).options });
    let mut focus = effective();
    focus.read("bill.csv", format!("{FOCUS},EffectiveCost\n1,USD,Usage,,2026-11-23,AWS,S3,0.75\n").as_bytes()).unwrap();
    assert_eq!((sums(&focus), focus.files[0].cost.as_str()), (vec!["aws 2026-11-23 0.75 USD".to_owned()], "EffectiveCost"));
    let refused = effective().read("bill.csv", format!("{AWS}\n").as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("only FOCUS exports have an effective cost"), "{refused}");
}
