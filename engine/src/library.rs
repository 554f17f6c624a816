//! Where the engine's library is, and opening it once per process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::EngineError;
use crate::ffi::Symbols;

/// The version of `@chdb/lib-linux-x64-gnu` this crate is written for and tested with.
pub const LIBRARY_VERSION: &str = "26.7.3-stable.1";

/// The environment variable that names the library file directly.
pub const LIBRARY_VARIABLE: &str = "COST_RHYTHM_ENGINE_LIB";

/// The library once it is open. It runs threads and exit handlers of its own, so it is never unloaded.
static LOADED: Mutex<Option<(PathBuf, &'static Symbols)>> = Mutex::new(None);

/// Finds the installed library: the file named by `COST_RHYTHM_ENGINE_LIB`, else
/// `<cache>/engine/<version>/libchdb.so`, where the cache is `COST_RHYTHM_CACHE` or `$HOME/.cache/cost-rhythm`.
///
/// # Errors
/// [`EngineError::LibraryMissing`] with the remedy, or [`EngineError::NoCacheDirectory`].
pub fn find_library() -> Result<PathBuf, EngineError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = match variable(LIBRARY_VARIABLE) {
        Some(file) => file,
        None => {
            let cache = variable("COST_RHYTHM_CACHE")
                .or_else(|| variable("HOME").map(|home| home.join(".cache/cost-rhythm")))
                .ok_or(EngineError::NoCacheDirectory)?;
            cache.join("engine").join(LIBRARY_VERSION).join("libchdb.so")
        }
    };
    if path.is_file() { Ok(path) } else { Err(EngineError::LibraryMissing { path }) }
}

/// Opens the library, or returns it when it is open already.
pub(crate) fn load(path: &Path) -> Result<&'static Symbols, EngineError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, symbols)) = loaded.as_ref() {
        if known == path {
            return Ok(symbols);
        }
        return Err(EngineError::LibraryChanged { loaded: known.clone(), asked: path.to_owned() });
    }
    if !path.is_file() {
        return Err(EngineError::LibraryMissing { path: path.to_owned() });
    }
    let symbols =
        Symbols::load(path).map_err(|source| EngineError::LibraryUnusable { path: path.to_owned(), expected: LIBRARY_VERSION, source })?;
    let symbols: &'static Symbols = Box::leak(Box::new(symbols));
    *loaded = Some((path.to_owned(), symbols));
    Ok(symbols)
}
