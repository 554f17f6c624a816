//! Reads text files, plain or gzip.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::read::MultiGzDecoder;

/// Longest text that is read, in bytes: a guard against a wrong path, not a format's limit.
const MAX_TEXT: u64 = 1 << 30;

/// The whole text; a name that ends in `.gz` is unpacked.
///
/// # Errors
/// When the file cannot be read or is not UTF-8.
pub fn text(path: &Path) -> anyhow::Result<String> {
    let read = || -> anyhow::Result<String> {
        let file = File::open(path)?;
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            MultiGzDecoder::new(file).take(MAX_TEXT).read_to_string(&mut text)?;
        } else {
            file.take(MAX_TEXT).read_to_string(&mut text)?;
        }
        Ok(text)
    };
    read().with_context(|| format!("reading {}", path.display()))
}

/// `path`, or the same with `.gz` behind; `None` when neither exists.
pub fn plain_or_packed(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_path_buf());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    let packed = PathBuf::from(name);
    packed.is_file().then_some(packed)
}
