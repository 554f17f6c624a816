//! Which values have rows of their own.
//!
//! A set's limit holds for one open quarter hour of a partition. A quarter hour is put away some time after its end, earliest first when there are too many
//! rows; an event that comes later opens it anew, and the limit counts from nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::GroupingSet;
use crate::grouping::OTHER;
use crate::rules::Limits;

/// The values of a grouping set's dimensions.
pub(crate) type Key = Vec<String>;

const QUARTER_US: i64 = 900_000_000;

/// The open quarter hours of one partition, by their start in seconds since 1970.
#[derive(Default)]
pub(crate) struct OpenWindows {
    windows: BTreeMap<i64, Window>,
    rows: usize,
    /// The quarter hour that was open for newcomers when windows were last put away.
    turn: Option<i64>,
}

struct Window {
    put_away_at_us: i64,
    /// By set.
    keys: Vec<BTreeSet<Key>>,
}

impl OpenWindows {
    /// Before an event is counted in the quarter hour; `newest_us`: the newest event counted before it.
    pub(crate) fn open(&mut self, quarter_s: i64, newest_us: Option<i64>, sets: usize, limits: &Limits) {
        if self.windows.contains_key(&quarter_s) {
            return;
        }
        if self.rows >= limits.max_rows
            && let Some((_, earliest)) = self.windows.pop_first()
        {
            self.rows -= earliest.len();
        }
        let end_us = quarter_s * 1_000_000 + QUARTER_US;
        let put_away_at_us = newest_us.map_or(end_us, |newest_us| newest_us.max(end_us)) + limits.retain_us();
        self.windows.insert(quarter_s, Window { put_away_at_us, keys: vec![BTreeSet::new(); sets] });
    }

    /// The key under which a value of an open quarter hour is counted.
    pub(crate) fn row_of(&mut self, quarter_s: i64, number: usize, set: &GroupingSet, mut key: Key) -> Key {
        let Some(known) = self.windows.get_mut(&quarter_s).and_then(|window| window.keys.get_mut(number)) else { return key };
        if !known.contains(&key) {
            if known.len() >= set.max_series {
                key.fill(OTHER.to_owned());
            }
            self.rows += usize::from(known.insert(key.clone()));
        }
        key
    }

    /// After an event was counted that is newer than all before. Windows are put away only when another quarter hour closes.
    pub(crate) fn advance(&mut self, newest_us: i64, limits: &Limits) {
        let turn = newest_us.saturating_sub(limits.lateness_us()).div_euclid(QUARTER_US);
        if self.turn.is_some_and(|last| turn <= last) {
            return;
        }
        self.turn = Some(turn);
        let rows = &mut self.rows;
        self.windows.retain(|_, window| {
            let stays = window.put_away_at_us > newest_us;
            *rows -= if stays { 0 } else { window.len() };
            stays
        });
    }
}

impl Window {
    fn len(&self) -> usize {
        self.keys.iter().map(BTreeSet::len).sum()
    }
}
