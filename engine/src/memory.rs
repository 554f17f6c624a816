//! How much memory and how many threads the engine may take.
//!
//! ClickHouse sizes its caches for a server of its own (5 GiB for marks alone). Here it shares a small machine with the
//! pipeline, so the defaults are a fraction of that. Caches fill only with use: idle, the process is at about
//! 45 MiB of its own plus 160 MiB of the library's pages that the kernel may drop (measured, see `README.md`).

/// Memory and thread bounds, handed to the engine as server settings when it opens.
#[derive(Debug, Clone)]
pub struct MemoryLimits {
    /// All queries, merges and caches together, in bytes; a query that needs more fails with code 241.
    pub max_total_bytes: u64,
    /// One query, in bytes.
    pub max_query_bytes: u64,
    /// Cache of marks, in bytes.
    pub mark_cache_bytes: u64,
    /// Cache of primary keys, in bytes.
    pub primary_index_cache_bytes: u64,
    /// Every other cache, each, in bytes.
    pub small_cache_bytes: u64,
    /// Threads that merge parts in the background.
    pub merge_threads: usize,
    /// Threads of one query.
    pub query_threads: usize,
    /// Threads of the whole engine; an idle engine uses about ten.
    pub max_threads: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            max_total_bytes: 4 << 30,
            max_query_bytes: 2 << 30,
            mark_cache_bytes: 256 << 20,
            primary_index_cache_bytes: 128 << 20,
            small_cache_bytes: 16 << 20,
            merge_threads: 2,
            query_threads: 2,
            max_threads: 500,
        }
    }
}

impl MemoryLimits {
    /// Server settings as `chdb_connect` takes them; only the first connection of a process is heard.
    pub(crate) fn server_arguments(&self) -> Vec<String> {
        let small = self.small_cache_bytes;
        let mut arguments = vec![
            format!("--max_server_memory_usage={}", self.max_total_bytes),
            format!("--mark_cache_size={}", self.mark_cache_bytes),
            format!("--primary_index_cache_size={}", self.primary_index_cache_bytes),
            format!("--background_pool_size={}", self.merge_threads),
            format!("--max_thread_pool_size={}", self.max_threads),
            "--max_thread_pool_free_size=16".to_owned(),
        ];
        let small_caches = [
            "index_mark_cache_size",
            "query_condition_cache_size",
            "compiled_expression_cache_size",
            "vector_similarity_index_cache_size",
            "text_index_tokens_cache_size",
            "text_index_header_cache_size",
            "text_index_postings_cache_size",
            "parquet_metadata_cache_size",
            "iceberg_metadata_files_cache_size",
        ];
        arguments.extend(small_caches.iter().map(|cache| format!("--{cache}={small}")));
        arguments
    }

    /// Query settings every connection starts with.
    pub(crate) fn query_arguments(&self) -> Vec<String> {
        vec![format!("--max_memory_usage={}", self.max_query_bytes), format!("--max_threads={}", self.query_threads)]
    }
}

/// Memory this process holds, in bytes: `(own, all)`, where `all` includes the library's file pages, which the kernel may drop.
///
/// `None` where `/proc` does not tell.
#[must_use]
pub fn resident_memory_bytes() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some((kibibytes("RssAnon:")? * 1024, kibibytes("VmRSS:")? * 1024))
}
