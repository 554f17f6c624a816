//! The periods of budgets: all scopes of one budget and period.

use hashbrown::HashTable;
use schemas::calendar::Window;

use super::series::{SeriesId, hash_of};
use super::spend::Spend;

/// One period of one budget.
#[derive(Debug)]
pub(super) struct Period {
    /// Index of the budget in the rules.
    pub(super) budget: u16,
    pub(super) window: Window,
    /// Its name in rows.
    pub(super) name: Box<str>,
    /// Was it told that no exchange rate is in force?
    pub(super) noticed: bool,
    /// In the order of their first spend.
    pub(super) scopes: Vec<Spend>,
    index: HashTable<u32>,
    pub(super) dirty_scopes: u32,
    /// Only here until its dirty scopes are written.
    pub(super) departed: bool,
}

impl Period {
    pub(super) fn new(budget: u16, window: Window, name: Box<str>) -> Self {
        let (scopes, index) = (Vec::new(), HashTable::new());
        Period { budget, window, name, noticed: false, scopes, index, dirty_scopes: 0, departed: false }
    }

    pub(super) fn find(&self, series: SeriesId) -> Option<u32> {
        self.index.find(hash_of(series), |at| self.scopes[*at as usize].series == series).copied()
    }

    /// Adds a scope that is not there yet.
    pub(super) fn add(&mut self, spend: Spend) -> u32 {
        let series = spend.series;
        self.dirty_scopes += u32::from(spend.dirty);
        self.scopes.push(spend);
        let at = (self.scopes.len() - 1) as u32;
        let scopes = &self.scopes;
        self.index.insert_unique(hash_of(series), at, |at| hash_of(scopes[*at as usize].series));
        at
    }

    pub(super) fn bytes(&self) -> usize {
        // A scope's text and its sums are one small allocation each.
        self.scopes.capacity() * (size_of::<Spend>() + 80) + self.index.capacity() * 5
    }
}
