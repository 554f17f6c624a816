//! Whether an identity may be in any run: one cache line answers for all of them.
//!
//! Nearly every event is new, and would be looked for in every run in vain, each time in places of memory that no cache holds. A Bloom filter
//! whose bits for an entry lie in one line (Putze, Sanders and Singler, "Cache-, hash- and space-efficient Bloom filters", 2009) answers for nearly
//! all of them. It goes by what the runs' directories say of an entry (its bucket and its tag), so it is made again of these alone.

use schemas::huge_pages;
use schemas::identity_run::{Directory, Identity, bucket_of, tag_of};

/// Entries for which a line is made: with four bits each, one in 40 that are not there seems to be when it is full.
const PER_LINE: usize = 64;

/// Lines for so many entries, with room for half as many more.
fn lines_for(entries: usize) -> usize {
    (entries + entries / 2).div_ceil(PER_LINE)
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u64; 8]);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct RunFilter {
    lines: Vec<Line>,
    /// So many upper bits of `high` are known of every entry: those of the bucket of the smallest run when the filter was made. With few of them,
    /// as of a run of a thousand entries among millions, more entries look alike.
    known_bits: u32,
    /// Entries that were put in.
    entries: usize,
}

impl RunFilter {
    /// Of the entries of these runs and of those in memory, so many together, with room for half as many more; empty if there are no runs.
    pub(super) fn of<'d>(
        entries: usize,
        runs: impl Iterator<Item = &'d Directory> + Clone,
        in_memory: impl Iterator<Item = Identity>,
    ) -> Self {
        let runs = runs.filter(|run| run.entries() > 0);
        let Some(known_bits) = runs.clone().map(Directory::bits).min() else {
            return RunFilter::default();
        };
        let lines = huge_pages::collect(std::iter::repeat_n(Line([0; 8]), lines_for(entries)));
        let mut filter = RunFilter { lines, known_bits, entries };
        for run in runs {
            for (bucket, tags) in (0_usize..).zip(run.buckets()) {
                tags.iter().for_each(|tag| filter.set(bucket >> (run.bits() - known_bits), *tag));
            }
        }
        in_memory.for_each(|entry| filter.set(bucket_of(entry.high, known_bits), tag_of(entry.low)));
        filter
    }

    /// Is it that of so many entries, with room for as many as were put in and not for many times as many?
    pub(super) fn is_good_for(&self, entries: usize) -> bool {
        (entries..=self.lines.len() * PER_LINE).contains(&self.entries) && self.lines.len() <= 3 * lines_for(entries)
    }

    /// Puts in an entry that will be in a run.
    #[inline]
    pub(super) fn insert(&mut self, low: u64, high: u64) {
        self.entries += 1;
        self.set(bucket_of(high, self.known_bits), tag_of(low));
    }

    #[inline]
    fn set(&mut self, upper: usize, tag: u16) {
        let (line, places) = self.places(upper, tag);
        if let Some(line) = self.lines.get_mut(line) {
            places.iter().for_each(|(word, bit)| line.0[*word] |= bit);
        }
    }

    /// Where an entry's bits are: to be fetched ahead.
    #[inline]
    pub(super) fn line(&self, low: u64, high: u64) -> Option<&impl Sized> {
        self.lines.get(self.places(bucket_of(high, self.known_bits), tag_of(low)).0)
    }

    /// `false`: no run has it.
    #[inline]
    pub(super) fn may_hold(&self, low: u64, high: u64) -> bool {
        let (line, places) = self.places(bucket_of(high, self.known_bits), tag_of(low));
        self.lines.get(line).is_some_and(|line| places.iter().all(|(word, bit)| line.0[*word] & bit != 0))
    }

    /// The line of an entry, and its words and bits in that. Lines are in the order of `high`, as far as it is known: so a run is put in
    /// from the first line to the last.
    #[inline]
    fn places(&self, upper: usize, tag: u16) -> (usize, [(usize, u64); 4]) {
        let known = ((upper as u64) << 16 | u64::from(tag)) ^ 0xd1b5_4a32_d192_ed03;
        let product = u128::from(known) * 0x9e37_79b9_7f4a_7c15;
        let mixed = product as u64 ^ (product >> 64) as u64;
        // A number below 2^64 in the order of `high`, then the same below the number of lines.
        let at = (upper as u64).rotate_right(self.known_bits) | mixed >> self.known_bits;
        let line = (u128::from(at) * self.lines.len() as u128) >> 64;
        let place = |shift: u32| ((mixed >> shift & 7) as usize, 1 << (mixed >> (shift + 3) & 63));
        (line as usize, [place(0), place(9), place(18), place(27)])
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }
}

#[cfg(test)]
mod tests {
    use schemas::identity_run::RunWriter;
    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    fn identity(number: u32) -> Identity {
        let mixed = xxh3_128(&number.to_le_bytes());
        Identity { low: mixed as u64, high: (mixed >> 64) as u64, value: 0 }
    }

    fn directory(numbers: std::ops::Range<u32>) -> Directory {
        let mut entries: Vec<Identity> = numbers.map(identity).collect();
        entries.sort_unstable_by_key(Identity::key);
        let mut writer = RunWriter::new(entries.len() as u64);
        entries.iter().for_each(|entry| writer.push(entry));
        writer.finish().directory
    }

    fn insert(filter: &mut RunFilter, number: u32) {
        let entry = identity(number);
        filter.insert(entry.low, entry.high);
    }

    /// How many of these it may hold.
    fn held(filter: &RunFilter, numbers: std::ops::Range<u32>) -> usize {
        numbers.map(identity).filter(|entry| filter.may_hold(entry.low, entry.high)).count()
    }

    /// The filter of runs of these sizes, and how many they have together.
    fn filter_of(sizes: &[u32]) -> (RunFilter, u32) {
        let ends = sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end - size..*end)
        });
        let runs: Vec<Directory> = ends.map(directory).collect();
        let count = sizes.iter().sum();
        (RunFilter::of(count as usize, runs.iter(), std::iter::empty()), count)
    }

    #[test]
    fn whatever_is_in_a_run_of_any_size_may_be_held() {
        for sizes in [&[1_u32][..], &[20_000], &[1, 0, 3, 50_000, 17], &[0, 20_000], &[40_000, 300, 40_000, 2, 5000]] {
            let (filter, count) = filter_of(sizes);
            assert_eq!(held(&filter, 0..count), count as usize, "{sizes:?}");
        }
    }

    /// Runs as they are: sealed at about the same size, merged by fours.
    #[test]
    fn hardly_anything_else_is_held_until_it_is_full() {
        for sizes in [&[20_000_u32][..], &[1000, 1000, 1000, 4000, 4000, 4000, 16_000, 16_000, 16_000, 64_000]] {
            let (mut filter, count) = filter_of(sizes);
            let all = count + count / 2;
            (count..all).for_each(|number| insert(&mut filter, number));
            assert!(filter.is_good_for(all as usize) && !filter.is_good_for(all as usize + 1));
            assert!(filter.is_good_for(count as usize) && !filter.is_good_for(count as usize / 4), "{sizes:?}");
            assert_eq!(held(&filter, 0..all), all as usize, "{sizes:?}");
            let strange = held(&filter, 1_000_000..1_100_000);
            assert!(strange < 100_000 / 15, "{sizes:?}: {strange} of 100,000");
        }
    }

    #[test]
    fn without_runs_nothing_is_held() {
        let mut filter = RunFilter::of(1, [].into_iter(), [identity(7)].into_iter());
        assert!(filter.is_good_for(0));
        assert_eq!(held(&filter, 0..1000), 0);
        insert(&mut filter, 0);
        assert!(!filter.is_good_for(1), "it has no room: it is to be made anew");
    }
}
