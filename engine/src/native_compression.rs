//! ClickHouse's own compression of bodies (`compress=1`, `decompress=1`): a row of blocks, each
//! `checksum (16) | method (1) | compressed size with these 9 bytes (4) | size (4) | data`.

use crate::exception::{Exception, code};

const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = 9;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;
const METHOD_ZSTD: u8 = 0x90;
/// A block may not claim more; ClickHouse writes 1 MiB ones and refuses beyond 1 GiB.
const MAX_BLOCK_BYTES: usize = 64 * 1024 * 1024;

/// Compresses one piece into one LZ4 block.
pub(crate) fn compress(data: &[u8]) -> Vec<u8> {
    let compressed = lz4_flex::block::compress(data);
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut block = vec![0; CHECKSUM_BYTES];
    block.push(METHOD_LZ4);
    block.extend_from_slice(&size(compressed.len() + HEADER_BYTES));
    block.extend_from_slice(&size(data.len()));
    block.extend_from_slice(&compressed);
    let checksum = checksum(&block[CHECKSUM_BYTES..]);
    block[..CHECKSUM_BYTES].copy_from_slice(&checksum);
    block
}

/// Takes the first whole block off `buffer` and returns its content; `None` when more bytes are needed.
///
/// # Errors
/// Code 271 when the bytes are not such a block.
pub(crate) fn take_block(buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Exception> {
    let Some(header) = buffer.get(CHECKSUM_BYTES..CHECKSUM_BYTES + HEADER_BYTES) else { return Ok(None) };
    let number = |at: usize| header[at..at + 4].iter().rev().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let (method, compressed_size, size) = (header[0], number(1), number(5));
    if !(HEADER_BYTES..=MAX_BLOCK_BYTES).contains(&compressed_size) || size > MAX_BLOCK_BYTES {
        return Err(broken(format_args!("a block claims {compressed_size} bytes for {size}")));
    }
    let end = CHECKSUM_BYTES + compressed_size;
    let Some(block) = buffer.get(CHECKSUM_BYTES..end) else { return Ok(None) };
    if buffer[..CHECKSUM_BYTES] != checksum(block) {
        return Err(broken(format_args!("a block's checksum is wrong")));
    }
    let data = &block[HEADER_BYTES..];
    let content = match method {
        METHOD_NONE => data.to_vec(),
        METHOD_LZ4 => lz4_flex::block::decompress(data, size).map_err(|error| broken(format_args!("{error}")))?,
        METHOD_ZSTD => zstd::bulk::decompress(data, size).map_err(|error| broken(format_args!("{error}")))?,
        other => return Err(broken(format_args!("compression method {other:#x} is unknown"))),
    };
    if content.len() != size {
        return Err(broken(format_args!("a block held {} bytes instead of {size}", content.len())));
    }
    buffer.drain(..end);
    Ok(Some(content))
}

fn checksum(data: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let sum = cityhash_rs::cityhash_102_128(data);
    // The two halves are stored high one first, each in little endian.
    sum.rotate_left(64).to_le_bytes()
}

fn broken(reason: std::fmt::Arguments<'_>) -> Exception {
    Exception::new(code::CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", format_args!("Cannot decompress the body: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_whatever_the_cut() {
        let data: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let sent: Vec<u8> = data.chunks(70_001).flat_map(compress).collect();
        let (mut buffer, mut received) = (Vec::new(), Vec::new());
        for piece in sent.chunks(1_000) {
            buffer.extend_from_slice(piece);
            while let Some(content) = take_block(&mut buffer).unwrap() {
                received.extend_from_slice(&content);
            }
        }
        assert!(buffer.is_empty() && received == data);
    }

    #[test]
    fn a_changed_byte_and_a_false_size_are_refused() {
        let mut block = compress(b"some rows");
        block[30] ^= 1;
        assert_eq!(take_block(&mut block).unwrap_err().code, code::CANNOT_DECOMPRESS);
        let mut block = compress(b"some rows");
        block[20] = 0xff;
        assert_eq!(take_block(&mut block).unwrap_err().code, code::CANNOT_DECOMPRESS);
    }
}
