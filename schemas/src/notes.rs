//! Notes: what people know of alerts and spend. A silence keeps alerts from being sent for a while; feedback changes how spend is judged.
//!
//! All times are event times, so that a replay decides the same.

use serde::Deserialize;

use crate::Timestamp;
use crate::alert::{Alert, Level};
use crate::rates::instant;

/// All notes of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// In the order of the files.
    pub silences: Vec<Silence>,
    /// In the order of the files.
    pub feedback: Vec<Feedback>,
}

/// `[[silence]]`: alerts that are written down and not sent. All that is said in it must hold of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// `None`: every rule, and so on.
    pub rule: Option<String>,
    /// As alerts name it.
    pub scope: Option<String>,
    /// As alerts name it: acknowledges one alert, and not that of the next period.
    pub period: Option<String>,
    /// The gravest level that is silenced: what escalates beyond it is sent.
    pub up_to: Level,
    /// What happens before is sent.
    pub from: Timestamp,
    /// What happens from here on is sent again.
    pub until: Timestamp,
    /// For those who look later.
    pub reason: String,
}

impl Silence {
    /// Is the alert not to be sent?
    pub fn covers(&self, alert: &Alert) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.rule, &alert.rule)
            && is(&self.scope, &alert.scope)
            && is(&self.period, &alert.period)
            && alert.level <= self.up_to
            && (self.from..self.until).contains(&alert.occurred_at)
    }
}

/// `[[feedback]]`: something that a person knows of a scope's spend and its history does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// As rows and alerts name it.
    pub scope: String,
    /// What is known.
    pub kind: FeedbackKind,
    /// For those who look later.
    pub reason: String,
}

/// See [`Feedback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackKind {
    /// Spend of this time is planned: it is not judged by what was usual, and nothing is learnt from it.
    Planned {
        /// Of the first hour.
        from: Timestamp,
        /// Of the first hour after it.
        until: Timestamp,
    },
    /// From this hour on the spend is another, and that is right: what was learnt before is forgotten.
    Expected {
        /// Of the hour.
        from: Timestamp,
    },
}

/// A file of notes is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct NotesError {
    /// Name of the file.
    pub file: String,
    /// Entry, key, value and remedy.
    pub problem: String,
}

impl Notes {
    /// Reads files, given as (file name, text).
    ///
    /// ```
    /// let notes = schemas::notes::Notes::parse_all(&[("notes.toml", r#"
    ///     [[silence]]
    ///     rule = "spike"
    ///     scope = "team=core"
    ///     up_to = "warning"
    ///     until = 2026-12-01T00:00:00Z
    ///     reason = "ada looks into it"
    ///
    ///     [[feedback]]
    ///     scope = "team=core"
    ///     kind = "planned"
    ///     from = 2026-12-01T00:00:00Z
    ///     until = 2026-12-03T00:00:00Z
    ///     reason = "load test"
    /// "#)])?;
    /// assert_eq!((notes.silences.len(), notes.feedback.len()), (1, 1));
    /// # Ok::<(), schemas::notes::NotesError>(())
    /// ```
    ///
    /// # Errors
    /// [`NotesError`] names file, entry, key and remedy.
    pub fn parse_all(files: &[(&str, &str)]) -> Result<Notes, NotesError> {
        let mut notes = Notes::default();
        for (file, text) in files {
            let refused = |problem: String| NotesError { file: (*file).to_owned(), problem };
            let document: Document = toml::from_str(text).map_err(|error| refused(error.to_string().trim_end().to_owned()))?;
            for (nth, entry) in document.silence.into_iter().enumerate() {
                notes.silences.push(entry.check().map_err(|problem| refused(format!("silence[{nth}].{problem}")))?);
            }
            for (nth, entry) in document.feedback.into_iter().enumerate() {
                notes.feedback.push(entry.check().map_err(|problem| refused(format!("feedback[{nth}].{problem}")))?);
            }
        }
        Ok(notes)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    silence: Vec<SilenceEntry>,
    #[serde(default)]
    feedback: Vec<FeedbackEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceEntry {
    rule: Option<String>,
    scope: Option<String>,
    period: Option<String>,
    up_to: Option<Level>,
    from: Option<toml::Value>,
    until: toml::Value,
    reason: String,
}

impl SilenceEntry {
    fn check(self) -> Result<Silence, String> {
        if self.rule.is_none() && self.scope.is_none() && self.period.is_none() {
            return Err("rule, scope, period: all are left out, which would silence everything: name at least one".to_owned());
        }
        let from = self.from.map_or(Ok(Timestamp::MIN), |from| instant("from", &from))?;
        let until = instant("until", &self.until)?;
        check_order(from, until)?;
        let up_to = self.up_to.unwrap_or(Level::Emergency);
        Ok(Silence { rule: self.rule, scope: self.scope, period: self.period, up_to, from, until, reason: check_reason(self.reason)? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedbackEntry {
    scope: String,
    kind: Kind,
    from: toml::Value,
    until: Option<toml::Value>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Planned,
    Expected,
}

impl FeedbackEntry {
    fn check(self) -> Result<Feedback, String> {
        let from = instant("from", &self.from)?;
        let until = self.until.map(|until| instant("until", &until)).transpose()?;
        let kind = match (self.kind, until) {
            (Kind::Planned, Some(until)) => {
                check_order(from, until)?;
                FeedbackKind::Planned { from, until }
            }
            (Kind::Planned, None) => return Err("until: planned spend needs an end, such as 2026-12-03T00:00:00Z".to_owned()),
            (Kind::Expected, None) => FeedbackKind::Expected { from },
            (Kind::Expected, Some(until)) => {
                return Err(format!(
                    "until: what is expected from now on has no end, found {until}: leave it out, or say kind = \"planned\""
                ));
            }
        };
        if self.scope.is_empty() {
            return Err("scope: is empty: name it as alerts do, such as \"total\" or \"team=core\"".to_owned());
        }
        Ok(Feedback { scope: self.scope, kind, reason: check_reason(self.reason)? })
    }
}

fn check_order(from: Timestamp, until: Timestamp) -> Result<(), String> {
    if from < until { Ok(()) } else { Err(format!("until: {until} is not after from ({from})")) }
}

fn check_reason(reason: String) -> Result<String, String> {
    if reason.trim().is_empty() { Err("reason: is empty: say why, for those who look later".to_owned()) } else { Ok(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency;
    use crate::calendar::Calendar;
    use crate::window::Bucket;

    const SILENCE: &str = "[[silence]]\nrule = \"spike\"\nscope = \"total\"\nup_to = \"warning\"\nfrom = 2026-11-01T00:00:00Z\nuntil = 2026-12-01T00:00:00Z\nreason = \"known\"\n";
    const FEEDBACK: &str = "[[feedback]]\nscope = \"total\"\nkind = \"planned\"\nfrom = 2026-11-01T00:00:00Z\nuntil = 2026-12-01T00:00:00Z\nreason = \"test\"\n";

    fn parse(text: &str) -> Result<Notes, String> {
        Notes::parse_all(&[("notes.toml", text)]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_silence_covers_what_it_names_up_to_its_level_in_its_time() {
        let silence = parse(SILENCE).unwrap().silences.remove(0);
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let window = Calendar::new("UTC").unwrap().hour(Bucket::of(at("2026-11-20T10:00:00Z")));
        let alert = Alert {
            level: Level::Warning,
            occurred_at: at("2026-11-20T10:00:00Z"),
            ..Alert::about("spike", "total", "2026-11-20T10:00Z", window, Currency::USD)
        };
        assert!(silence.covers(&alert));
        for other in [
            Alert { level: Level::Critical, ..alert.clone() },
            Alert { rule: "drop".to_owned(), ..alert.clone() },
            Alert { scope: "team=core".to_owned(), ..alert.clone() },
            Alert { occurred_at: at("2026-12-01T00:00:00Z"), ..alert.clone() },
            Alert { occurred_at: at("2026-10-31T23:59:59Z"), ..alert.clone() },
        ] {
            assert!(!silence.covers(&other), "{other:?}");
        }
        let acknowledged = parse(&SILENCE.replace("up_to = \"warning\"", "period = \"2026-11-20T09:00Z\"")).unwrap().silences.remove(0);
        assert!(!acknowledged.covers(&alert));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (text, named) in [
            (SILENCE.replace("rule = \"spike\"\nscope = \"total\"\n", ""), "silence[0].rule, scope, period: all are left out"),
            (
                SILENCE.replace("until = 2026-12-01", "until = 2026-10-01"),
                "silence[0].until: 2026-10-01T00:00:00.000000Z is not after from",
            ),
            (SILENCE.replace("known", " "), "silence[0].reason: is empty"),
            (SILENCE.replace("\"warning\"", "\"loud\""), "unknown variant `loud`"),
            (SILENCE.replace("until = 2026-12-01T00:00:00Z", "until = \"soon\""), "silence[0].until"),
            (FEEDBACK.replace("until = 2026-12-01T00:00:00Z\n", ""), "feedback[0].until: planned spend needs an end"),
            (FEEDBACK.replace("planned", "expected"), "feedback[0].until: what is expected from now on has no end"),
            (FEEDBACK.replace("\"total\"", "\"\""), "feedback[0].scope: is empty"),
            (FEEDBACK.replace("reason", "because"), "unknown field `because`"),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.contains(named), "{refused}");
            assert!(refused.starts_with("notes.toml: "), "{refused}");
        }
    }
}
