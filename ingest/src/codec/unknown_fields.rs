//! Fields that no event has, counted by name: a new `..._tokens` field is money that nobody counts yet.

use std::collections::HashMap;

/// Names that are told apart; the others are counted together.
const MAX_NAMES: usize = 256;
/// Longest name that is kept, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// The name under which the others are counted.
const OTHER: &str = "__other__";

/// How often each unknown field was seen in events. Each name is warned about once per decoder.
#[derive(Clone, Debug, Default)]
pub struct UnknownFields {
    counts: HashMap<Box<str>, u64>,
}

impl UnknownFields {
    /// Names and how often each was seen, in no order; at most 257. Beyond that, names are counted as `__other__`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(name, count)| (&**name, *count))
    }

    /// Was none seen?
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(super) fn count(&mut self, name: &str) {
        let name = &name[..name.floor_char_boundary(MAX_NAME_BYTES)];
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
        } else if self.counts.len() < MAX_NAMES {
            warn_once(name);
            self.counts.insert(name.into(), 1);
        } else {
            *self.counts.entry(OTHER.into()).or_default() += 1;
        }
    }
}

fn warn_once(name: &str) {
    if name.ends_with("_tokens") {
        tracing::warn!(field = name, "events carry a token count that is not known here: it is kept as an attribute and not priced");
    } else {
        tracing::warn!(field = name, "events carry a field that is not known here: it is kept as an attribute");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut unknown = UnknownFields::default();
        for index in 0..1000 {
            unknown.count(&format!("field_{index}"));
        }
        unknown.count("field_7");
        assert_eq!(unknown.iter().count(), MAX_NAMES + 1);
        let count = |name| unknown.iter().find(|(n, _)| *n == name).map(|(_, count)| count);
        assert_eq!((count("field_7"), count(OTHER)), (Some(2), Some(744)));
    }
}
