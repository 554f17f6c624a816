//! The parameters of a request: each known, each once, each with a value that can be taken.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use crate::problem::{BAD_CURSOR, BAD_VALUE, Problem, UNKNOWN_PARAMETER};

/// Longest value that is read.
const MAX_VALUE_BYTES: usize = 2048;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    path: &'static str,
    values: BTreeMap<String, String>,
}

impl Parameters {
    /// Reads a query string of the route `path`, which knows these parameters.
    pub(crate) fn read<'k>(path: &'static str, query: Option<&str>, known: impl IntoIterator<Item = &'k str>) -> Result<Self, Problem> {
        let known: Vec<&str> = known.into_iter().collect();
        let mut values = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
            if !known.contains(&&*name) {
                let remedy = format!("{path} knows {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") });
                return Err(Problem::new(UNKNOWN_PARAMETER, format!("{name} is no parameter of {path}"), remedy).blaming(&name, &value));
            }
            if value.len() > MAX_VALUE_BYTES {
                return Err(Problem::bad_value(&name, &value, format_args!("at most {MAX_VALUE_BYTES} bytes")));
            }
            if values.insert(name.to_string(), value.to_string()).is_some() {
                return Err(Problem::new(BAD_VALUE, format!("{name} stands there twice"), "give it once").blaming(&name, &value));
            }
        }
        Ok(Parameters { path, values })
    }

    /// A value, if it is there. Empty text is a value.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A whole number within a range.
    pub(crate) fn number(&self, name: &str, default: u32, range: std::ops::RangeInclusive<u32>) -> Result<u32, Problem> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| Problem::bad_value(name, text, format_args!("a whole number from {} to {}", range.start(), range.end())))
    }

    /// One of these words.
    pub(crate) fn choice<T: Clone>(&self, name: &str, words: &[(&str, T)], default: T) -> Result<T, Problem> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let chosen = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone());
        let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        chosen.ok_or_else(|| Problem::bad_value(name, text, format_args!("one of {}", all())))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        self.choice(name, &[("true", true), ("false", false)], false)
    }

    /// What a cursor is bound to: the route and every parameter but the page's own.
    fn fingerprint(&self) -> String {
        let mut text = self.path.to_owned();
        for (name, value) in self.values.iter().filter(|(name, _)| !matches!(name.as_str(), "cursor" | "limit")) {
            let _ = write!(text, "\n{}:{name}={value}", name.len());
        }
        format!("{:016x}", xxh3_64(text.as_bytes()))
    }

    /// Where a page ended, for the next question.
    pub(crate) fn cursor_text(&self, place: &[String]) -> String {
        let mut parts = vec![self.fingerprint()];
        parts.extend_from_slice(place);
        URL_SAFE_NO_PAD.encode(serde_json::Value::from(parts).to_string())
    }

    /// The place in a cursor of this very question, with so many parts.
    pub(crate) fn cursor(&self, parts: usize) -> Result<Option<Vec<String>>, Problem> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let decode = || -> Option<Vec<String>> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
        match decode() {
            Some(mut place) if place.len() == parts + 1 && place[0] == self.fingerprint() => {
                place.remove(0);
                Ok(Some(place))
            }
            _ => {
                let remedy = "pass next_cursor of the answer before, and all other parameters as they were then";
                Err(Problem::new(BAD_CURSOR, "the cursor is not of an answer to this question", remedy).blaming("cursor", text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{BAD_CURSOR, BAD_VALUE, UNKNOWN_PARAMETER};

    #[test]
    fn what_is_not_known_or_there_twice_is_refused_by_name() {
        let read = |query| Parameters::read("/x", Some(query), ["limit", "scope"]);
        assert_eq!(read("limt=5").unwrap_err().kind, UNKNOWN_PARAMETER);
        assert_eq!(read("limit=5&limit=5").unwrap_err().kind, BAD_VALUE);
        let parameters = read("limit=5&scope=team%3Dcore+x").unwrap();
        assert_eq!(parameters.number("limit", 1, 1..=10).unwrap(), 5);
        assert_eq!(parameters.number("limit", 1, 1..=4).unwrap_err().kind, BAD_VALUE);
        assert_eq!(parameters.text("scope"), Some("team=core x"));
    }

    #[test]
    fn a_cursor_fits_only_the_question_that_it_came_from() {
        let known = ["limit", "scope", "cursor"];
        let first = Parameters::read("/x", Some("scope=a&limit=5"), known).unwrap();
        let text = first.cursor_text(&["2026".to_owned(), "ä".to_owned()]);
        let next = |path, query: String| Parameters::read(path, Some(&query), known).unwrap();
        let place = next("/x", format!("limit=9&cursor={text}&scope=a")).cursor(2).unwrap();
        assert_eq!(place, Some(vec!["2026".to_owned(), "ä".to_owned()]));
        for (path, query, parts) in [
            ("/x", format!("scope=b&cursor={text}"), 2),
            ("/y", format!("scope=a&cursor={text}"), 2),
            ("/x", format!("scope=a&cursor={text}"), 3),
            ("/x", "scope=a&cursor=AAAA".to_owned(), 2),
            ("/x", "scope=a&cursor=%00".to_owned(), 2),
        ] {
            assert_eq!(next(path, query.clone()).cursor(parts).unwrap_err().kind, BAD_CURSOR, "{query}");
        }
    }
}
