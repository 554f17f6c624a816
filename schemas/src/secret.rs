//! Passwords and tokens, which never print.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A password or token. Its `Debug` says only whether there is one, and it has no `Display`.
///
/// ```
/// let secret = schemas::Secret::new("hunter2");
/// assert_eq!((format!("{secret:?}").as_str(), secret.reveal()), ("(secret)", "hunter2"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text, for the client library that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(secret)" })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_printed_not_even_its_length() {
        let shown = |text: &str| format!("{:?} {:#?}", Secret::new(text), Some(Secret::new(text)));
        assert_eq!(shown("a"), shown("hunter2 hunter2"));
        assert_eq!(format!("{:?}", Secret::default()), "(none)");
    }
}
