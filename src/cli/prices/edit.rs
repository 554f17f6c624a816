//! New versions in price files, whose comments and order stay as they are.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use schemas::Timestamp;
use schemas::price_book::PriceBook;

use super::litellm::Bucket;
use super::plan::{NewVersion, per_million};
use super::shown;

/// A file's name and text.
pub(super) type File = (String, String);

/// The files with `versions` in force from `from` on: what they replace ends there, they themselves are put at the end of the file `into`. The result
/// is read as a whole before it is given back.
///
/// # Errors
/// A version that is to end stands in no file as it should, or the result is no price book.
pub(super) fn with_versions(
    files: &[File],
    into: usize,
    versions: &[NewVersion],
    from: Timestamp,
    source: &str,
) -> anyhow::Result<Vec<File>> {
    let mut ending: BTreeSet<&str> = versions.iter().filter_map(|version| version.ends.as_deref()).collect();
    let mut edited = Vec::with_capacity(files.len());
    for (name, text) in files {
        edited.push((name.clone(), end_versions(text, &mut ending, from)?));
    }
    if let Some(id) = ending.first() {
        bail!("CR-6102: the version {id} that is to end was not found as a [[price]] table of its own in {}: end it by hand", names(files));
    }
    for version in versions {
        edited[into].1.push_str(&table(version, from, source));
    }
    let pairs: Vec<(&str, &str)> = edited.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    PriceBook::parse_all(&pairs).context("CR-6102: the files would be no price book any more, nothing was written")?;
    Ok(edited)
}

fn names(files: &[File]) -> String {
    files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Puts `to` behind the `from` of the tables whose ids are in `ending`, and takes these out of it.
fn end_versions(text: &str, ending: &mut BTreeSet<&str>, from: Timestamp) -> anyhow::Result<String> {
    let is_header = |line: &str| line.trim_start().starts_with("[[price]]");
    let mut out = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        if !is_header(line) {
            continue;
        }
        let mut block = Vec::new();
        while let Some(line) = lines.next_if(|line| !is_header(line)) {
            block.push(line);
        }
        let alone = format!("[[price]]\n{}", block.concat());
        let id = PriceBook::parse_all(&[("table", &alone)])?.entries().first().map(|entry| entry.id.clone()).unwrap_or_default();
        let ends = ending.remove(id.as_str());
        for line in block {
            out.push_str(line);
            if ends && line.split('=').next().is_some_and(|key| key.trim() == "from") {
                if !line.ends_with('\n') {
                    out.push('\n');
                }
                out.push_str(&format!("to = {}\n", shown(from)));
            }
        }
    }
    Ok(out)
}

fn table(version: &NewVersion, from: Timestamp, source: &str) -> String {
    let mut text = format!("\n[[price]]\nprovider = {}\nmodel = {}\n", quoted(&version.provider), quoted(&version.model));
    if !version.aliases.is_empty() {
        let aliases: Vec<String> = version.aliases.iter().map(|alias| quoted(alias)).collect();
        text += &format!("aliases = [{}]\n", aliases.join(", "));
    }
    if version.tier != schemas::price_book::STANDARD_TIER {
        text += &format!("tier = {}\n", quoted(&version.tier));
    }
    text += "per = 1_000_000\n";
    let mut unit = version.unit;
    for bucket in Bucket::ALL {
        if let Some(price) = *bucket.of(&mut unit) {
            text += &format!("{} = \"{}\"\n", bucket.key(), per_million(price));
        }
    }
    text + &format!("from = {}\nsource = {}\n", shown(from), quoted(source))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use schemas::price_book::UnitPrices;

    use super::*;

    const BOOK: &str = "# Prices of ours.\n\n[[price]]\nprovider = \"acme\"\nmodel = \"one\" # the first\naliases = [\"uno\"]\nper = 1_000\ninput = \"0.001\"\nfrom = 2026-01-01T00:00:00Z # launch\n\
        source = \"s\"\n\n# Another.\n[[price]]\nprovider = \"acme\"\nmodel = \"two\"\nper = 1_000_000\ninput = \"7\"\nfrom = 2026-01-01T00:00:00Z\nsource = \"s\"\n";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn version(ends: Option<&str>) -> NewVersion {
        NewVersion {
            provider: "acme".to_owned(),
            model: "one".to_owned(),
            tier: "standard".to_owned(),
            aliases: vec!["uno".to_owned()],
            unit: UnitPrices {
                input: Some("0.0000015".parse().unwrap()),
                output: Some("0.000000000000000001".parse().unwrap()),
                ..UnitPrices::default()
            },
            ends: ends.map(str::to_owned),
            before: None,
        }
    }

    #[test]
    fn the_old_version_ends_where_the_new_one_begins_and_comments_stay() {
        let book = PriceBook::parse_all(&[("b", BOOK)]).unwrap();
        let id = book.entries()[0].id.clone();
        let edited =
            with_versions(&[("b".to_owned(), BOOK.to_owned())], 0, &[version(Some(&id))], at("2026-12-01T00:00:00Z"), "a \"file\"")
                .unwrap();
        let text = &edited[0].1;
        assert!(text.contains("from = 2026-01-01T00:00:00Z # launch\nto = 2026-12-01T00:00:00Z\nsource"), "{text}");
        assert!(text.contains("# Another.") && text.matches("to = ").count() == 1);
        let book = PriceBook::parse_all(&[("b", text)]).unwrap();
        let price = |model: &str, when: &str| book.in_force_at("acme", model, "", at(when)).unwrap().unit.input.unwrap().to_string();
        assert_eq!(price("one", "2026-11-30T23:59:59.999999Z"), "0.000001");
        assert_eq!([price("one", "2026-12-01T00:00:00Z"), price("uno", "2027-01-01T00:00:00Z")], ["0.0000015", "0.0000015"]);
        assert_eq!(price("two", "2027-01-01T00:00:00Z"), "0.000007");
        assert_eq!(book.versions("acme", "one", "").last().unwrap().unit, version(None).unit, "exactly");
    }

    #[test]
    fn what_would_be_no_book_is_not_given_back() {
        let files = [("b".to_owned(), BOOK.to_owned())];
        let from = at("2026-12-01T00:00:00Z");
        let overlapping = with_versions(&files, 0, &[version(None)], from, "s").unwrap_err();
        assert!(
            format!("{overlapping:#}").contains("CR-6102") && format!("{overlapping:#}").contains("in force at once"),
            "{overlapping:#}"
        );
        assert!(format!("{:#}", with_versions(&files, 0, &[version(Some("0123"))], from, "s").unwrap_err()).contains("was not found"));
    }
}
