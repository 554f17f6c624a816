//! The proof of a judgement: the judgement as JSON, and the hash of exactly those bytes.
//!
//! A state file is `{"judgement":...,"sha256":"..."}` on one line. The hash is over the bytes of the judgement as they stand there:
//! `jq -cj .judgement FILE | sha256sum` gives it anew.

use ring::digest::{SHA256, digest};

use super::Status;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The judgement, compact JSON.
    pub judgement: String,
    /// SHA-256 of that, lower-case hexadecimal.
    pub sha256: String,
}

impl Proof {
    /// Of a status.
    ///
    /// # Errors
    /// Only if a value has no JSON, which none of these is.
    pub fn of(status: &Status) -> Result<Self, serde_json::Error> {
        let judgement = serde_json::to_string(status)?;
        let sha256 = sha256(judgement.as_bytes());
        Ok(Proof { judgement, sha256 })
    }

    /// The state file.
    pub fn document(&self) -> String {
        format!("{{\"judgement\":{},\"sha256\":\"{}\"}}\n", self.judgement, self.sha256)
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
