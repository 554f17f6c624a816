//! Blocks of partial cells: what the meter publishes to `rollup-partials` and the monitor merges.
//!
//! A cell is an absolute value with a version, never an increment, so that sending it again is harmless. The layout is
//! `avro/rollup_block_v1.avsc`, behind one byte that names the format's version.

use crate::avro::{ReadError, Reader, Writer};
use crate::{Accounts, Bucket, Measures, Money, Timestamp};

/// First byte of a block.
pub const FORMAT_VERSION: u8 = 1;

/// The last quarter hour that a `DateTime` of ClickHouse holds, early in 2106: no event is later.
const LAST_BUCKET: u32 = u32::MAX / 900;

/// What a block says beside its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader<'a> {
    /// Input topic.
    pub topic: &'a str,
    /// Input partition.
    pub partition: i32,
    /// Partitions of the input topic when this was written: a window closes when all of them have closed it.
    pub inputs: i32,
    /// Partitions of the partials topic when this was written.
    pub shards: i32,
    /// Last block of a flush to this shard: every change before `accounts.next_offset` has been sent to it.
    pub is_last: bool,
    /// Of the input partition, as of this flush.
    pub accounts: Accounts,
    /// The partition has closed every bucket that ends at or before this instant.
    pub closed_before: Timestamp,
    /// Buckets (with generation) of which no cell changes again.
    pub sealed: Vec<(Bucket, i64)>,
}

/// A cumulative value of one series, bucket, input partition and generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialCell<'a> {
    /// Name of the grouping set.
    pub set: &'a str,
    /// The series' values, in the order of the set's key.
    pub values: Vec<&'a str>,
    /// The window.
    pub bucket: Bucket,
    /// Input offset at which the bucket was opened.
    pub generation: i64,
    /// Input offset after the last event in it.
    pub version: i64,
    /// The value.
    pub measures: Measures,
}

/// Why a record is no block that this program can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Written by a newer (or much older) program.
    #[error(
        "block format version {0}, this program reads version {FORMAT_VERSION}: run the version of cost-rhythm that wrote it, or a newer one"
    )]
    Version(u8),
    /// No block at all.
    #[error("not a block of partial cells: {0}")]
    Malformed(#[from] ReadError),
}

/// Collects cells and writes the block. The buffers are kept, so that filling it again allocates nothing.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    sets: Vec<String>,
    cells: Writer,
    count: u64,
}

impl BlockBuilder {
    /// Adds a cell; `values` are the series' values in the order of the set's key.
    pub fn push<'v>(
        &mut self,
        set: &str,
        values: impl ExactSizeIterator<Item = &'v str>,
        bucket: Bucket,
        generation: i64,
        version: i64,
        measures: &Measures,
    ) {
        let index = self.sets.iter().position(|name| name == set).unwrap_or_else(|| {
            self.sets.push(set.to_owned());
            self.sets.len() - 1
        });
        self.count += 1;
        let w = &mut self.cells;
        w.count(index as u64);
        put_array(w, values, |w, value| w.text(value));
        w.long(bucket.number().into());
        w.long(generation);
        w.long(version);
        put_measures(w, measures);
    }

    /// Bytes of the cells so far.
    pub fn len(&self) -> usize {
        self.cells.bytes.len()
    }

    /// Has it no cell?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The finished block; the builder is empty again.
    pub fn finish(&mut self, header: &BlockHeader<'_>) -> Vec<u8> {
        let mut w = Writer { bytes: Vec::with_capacity(self.cells.bytes.len() + 256) };
        w.bytes.push(FORMAT_VERSION);
        w.text(header.topic);
        w.long(header.partition.into());
        w.long(header.inputs.into());
        w.long(header.shards.into());
        w.boolean(header.is_last);
        let a = &header.accounts;
        w.long(a.first_offset);
        w.long(a.next_offset);
        for count in [a.counted, a.duplicate, a.conflict, a.late, a.rejected, a.skipped] {
            w.count(count);
        }
        w.long(header.closed_before.micros());
        put_array(&mut w, header.sealed.iter(), |w, (bucket, generation)| {
            w.long(bucket.number().into());
            w.long(*generation);
        });
        put_array(&mut w, self.sets.iter(), |w, set| w.text(set));
        if self.count > 0 {
            w.count(self.count);
            w.bytes.append(&mut self.cells.bytes);
        }
        w.count(0);
        self.sets.clear();
        self.count = 0;
        w.bytes
    }
}

fn put_array<I: ExactSizeIterator>(w: &mut Writer, items: I, mut put: impl FnMut(&mut Writer, I::Item)) {
    if items.len() > 0 {
        w.count(items.len() as u64);
        for item in items {
            put(w, item);
        }
    }
    w.count(0);
}

fn put_measures(w: &mut Writer, m: &Measures) {
    for count in [m.events, m.calls, m.errors, m.unpriced_events] {
        w.count(count);
    }
    for sum in [m.uncached_input_tokens, m.cache_read_tokens, m.cache_write_tokens, m.output_tokens, m.reasoning_tokens] {
        w.decimal(sum);
    }
    for money in [m.cost, m.credit, m.revenue] {
        w.decimal(money.units());
    }
    w.count(m.latency_count);
    w.decimal(m.latency_ms_sum);
    w.count(m.latency_ms_max);
    w.long(m.first_event_at.micros());
    w.long(m.last_event_at.micros());
}

fn read_measures(r: &mut Reader<'_>) -> Result<Measures, ReadError> {
    Ok(Measures {
        events: r.count()?,
        calls: r.count()?,
        errors: r.count()?,
        unpriced_events: r.count()?,
        uncached_input_tokens: r.decimal()?,
        cache_read_tokens: r.decimal()?,
        cache_write_tokens: r.decimal()?,
        output_tokens: r.decimal()?,
        reasoning_tokens: r.decimal()?,
        cost: Money::from_units(r.decimal()?),
        credit: Money::from_units(r.decimal()?),
        revenue: Money::from_units(r.decimal()?),
        latency_count: r.count()?,
        latency_ms_sum: r.decimal()?,
        latency_ms_max: r.count()?,
        first_event_at: Timestamp::from_micros(r.long()?),
        last_event_at: Timestamp::from_micros(r.long()?),
    })
}

/// A block as it is read: the header at once, the cells one by one.
#[derive(Debug)]
pub struct Block<'a> {
    /// What it says beside its cells.
    pub header: BlockHeader<'a>,
    sets: Vec<&'a str>,
    cells: Reader<'a>,
}

impl<'a> Block<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`BlockError`]
    pub fn read(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let mut r = Reader::new(bytes);
        match r.take(1)? {
            [FORMAT_VERSION] => {}
            other => return Err(BlockError::Version(other[0])),
        }
        let topic = r.text()?;
        let partition = read_int(&mut r)?;
        let inputs = read_int(&mut r)?;
        let shards = read_int(&mut r)?;
        let is_last = r.boolean()?;
        let accounts = Accounts {
            first_offset: r.long()?,
            next_offset: r.long()?,
            counted: r.count()?,
            duplicate: r.count()?,
            conflict: r.count()?,
            late: r.count()?,
            rejected: r.count()?,
            skipped: r.count()?,
        };
        let closed_before = Timestamp::from_micros(r.long()?);
        if closed_before > Bucket::from_number(LAST_BUCKET).end() {
            return Err(ReadError::Malformed.into());
        }
        let sealed = read_array(&mut r, |r| Ok((read_bucket(r)?, r.long()?)))?;
        let sets = read_array(&mut r, Reader::text)?;
        Ok(Block { header: BlockHeader { topic, partition, inputs, shards, is_last, accounts, closed_before, sealed }, sets, cells: r })
    }

    /// Hands every cell to `each`.
    ///
    /// # Errors
    /// [`BlockError::Malformed`]; the cells before the fault were handed out.
    pub fn for_each_cell(&self, mut each: impl FnMut(PartialCell<'a>)) -> Result<(), BlockError> {
        let mut r = self.cells;
        loop {
            let count = r.count()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                each(self.read_cell(&mut r)?);
            }
        }
        if r.remaining() > 0 { Err(ReadError::Malformed.into()) } else { Ok(()) }
    }

    fn read_cell(&self, r: &mut Reader<'a>) -> Result<PartialCell<'a>, ReadError> {
        let index = usize::try_from(r.long()?).map_err(|_| ReadError::Malformed)?;
        Ok(PartialCell {
            set: self.sets.get(index).copied().ok_or(ReadError::Malformed)?,
            values: read_array(r, Reader::text)?,
            bucket: read_bucket(r)?,
            generation: r.long()?,
            version: r.long()?,
            measures: read_measures(r)?,
        })
    }
}

fn read_int(r: &mut Reader<'_>) -> Result<i32, ReadError> {
    i32::try_from(r.long()?).map_err(|_| ReadError::Malformed)
}

fn read_bucket(r: &mut Reader<'_>) -> Result<Bucket, ReadError> {
    let number = u32::try_from(r.long()?).ok().filter(|number| *number <= LAST_BUCKET);
    number.map(Bucket::from_number).ok_or(ReadError::Malformed)
}

/// Never trusts the count: memory grows with the bytes that are really there.
fn read_array<'a, T>(r: &mut Reader<'a>, mut item: impl FnMut(&mut Reader<'a>) -> Result<T, ReadError>) -> Result<Vec<T>, ReadError> {
    let mut items = Vec::new();
    loop {
        let count = r.count()?;
        if count == 0 {
            return Ok(items);
        }
        for _ in 0..count {
            items.push(item(r)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BlockHeader<'static> {
        let accounts = Accounts { first_offset: 0, next_offset: 42, counted: 40, duplicate: 1, late: 1, ..Accounts::default() };
        BlockHeader {
            topic: "usage-events",
            partition: 3,
            inputs: 6,
            shards: 4,
            is_last: true,
            accounts,
            closed_before: Timestamp::from_millis(1_795_342_500_000),
            sealed: vec![(Bucket::from_number(1_994_000), 7)],
        }
    }

    fn measures() -> Measures {
        let at = Timestamp::from_millis(1_795_342_503_123);
        Measures {
            events: 40,
            calls: 39,
            cost: Money::from_units(-1),
            credit: Money::from_units(-12),
            output_tokens: 1 << 70,
            first_event_at: at,
            last_event_at: at,
            ..Measures::EMPTY
        }
    }

    fn block() -> Vec<u8> {
        let mut builder = BlockBuilder::default();
        builder.push("model", ["anthropic", "claude"].into_iter(), Bucket::from_number(1_994_825), 5, 42, &measures());
        builder.push("total", std::iter::empty(), Bucket::from_number(1_994_825), 5, 42, &measures());
        builder.finish(&header())
    }

    #[test]
    fn a_block_reads_back_as_it_was_written() {
        let bytes = block();
        let read = Block::read(&bytes).unwrap();
        assert_eq!(read.header, header());
        let mut cells = Vec::new();
        read.for_each_cell(|cell| cells.push(cell)).unwrap();
        assert_eq!(cells.len(), 2);
        assert_eq!(
            (cells[0].set, &cells[0].values[..], cells[0].version, cells[0].measures),
            ("model", &["anthropic", "claude"][..], 42, measures())
        );
        assert_eq!((cells[1].set, cells[1].values.len()), ("total", 0));
    }

    #[test]
    fn the_bytes_are_the_golden_ones() {
        let hex: String = block().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../golden/rollup_block_v1.hex").trim());
    }

    #[test]
    fn an_independent_avro_reader_agrees_with_the_schema_file() {
        let schema = apache_avro::Schema::parse_str(include_str!("../avro/rollup_block_v1.avsc")).unwrap();
        let bytes = block();
        let mut rest = &bytes[1..];
        let value = apache_avro::from_avro_datum(&schema, &mut rest, None).unwrap();
        assert!(rest.is_empty());
        let json = format!("{value:?}");
        assert!(json.contains("\"claude\"") && json.contains("usage-events"), "{json}");
    }

    /// Found by fuzzing: a monitor that took such a block could not be restored.
    #[test]
    fn what_is_later_than_any_event_is_refused() {
        let beyond = Bucket::from_number(LAST_BUCKET + 1);
        let read = |header: &BlockHeader<'_>, bucket: Bucket| {
            let mut builder = BlockBuilder::default();
            builder.push("total", std::iter::empty(), bucket, 5, 42, &measures());
            let bytes = builder.finish(header);
            Block::read(&bytes).and_then(|block| block.for_each_cell(|_| {}))
        };
        let last = Bucket::from_number(LAST_BUCKET);
        let latest = BlockHeader { closed_before: last.end(), sealed: vec![(last, 7)], ..header() };
        assert_eq!(read(&latest, last), Ok(()));
        assert!(read(&latest, beyond).is_err());
        assert!(read(&BlockHeader { sealed: vec![(beyond, 7)], ..header() }, last).is_err());
        assert!(read(&BlockHeader { closed_before: last.end().plus(1), ..header() }, last).is_err());
    }

    #[test]
    fn another_version_and_every_truncation_are_refused() {
        let mut bytes = block();
        for length in 0..bytes.len() {
            let read = Block::read(&bytes[..length]).and_then(|block| block.for_each_cell(|_| {}));
            assert!(read.is_err(), "{length} bytes");
        }
        bytes.push(0);
        assert!(Block::read(&bytes).unwrap().for_each_cell(|_| {}).is_err());
        bytes[0] = 9;
        assert_eq!(Block::read(&bytes).err(), Some(BlockError::Version(9)));
    }
}
