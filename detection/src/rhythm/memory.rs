//! Exponential memories. Their weights are written out, because a power function may differ in its last bit between platforms, and a state that was kept on
//! one machine goes on on another.

use crate::mean::moved;

/// How quickly the past is forgotten: the share of the newest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory(f64);

impl Memory {
    /// Half forgotten after 18 hours.
    pub(crate) const HOURS_18: Memory = Memory(0.037_776_163_105_854_854);
    /// Half forgotten after a day.
    pub(crate) const DAY_1: Memory = Memory(0.028_468_058_846_394_14);
    /// Half forgotten after a day and a half.
    pub(crate) const HOURS_36: Memory = Memory(0.019_069_912_331_085_015);
    /// Half forgotten after 3 days.
    pub(crate) const DAYS_3: Memory = Memory(0.009_580_852_533_173_756);
    /// Half forgotten after 4 days.
    pub(crate) const DAYS_4: Memory = Memory(0.007_194_279_508_731_083);
    /// Half forgotten after 7 days.
    pub(crate) const DAYS_7: Memory = Memory(0.004_117_376_341_702_617);

    /// Half forgotten after 14 days.
    pub(crate) const DAYS_14: Memory = Memory(0.0020608116431656276);
    /// Half forgotten after 36 hours, one step a day.
    pub(crate) const HOURS_36_BY_DAY: Memory = Memory(0.3700394750525634);
    /// Half forgotten after 7 days, one step a day.
    pub(crate) const DAYS_7_BY_DAY: Memory = Memory(0.09427633573609329);
    /// Half forgotten after 14 days, one step a day.
    pub(crate) const DAYS_14_BY_DAY: Memory = Memory(0.04830484698938042);

    /// Moves a mean towards its newest value.
    pub(crate) fn mix(self, mean: &mut f64, newest: f64) {
        *mean = moved(*mean, newest, self.0);
    }

    /// Like `mix`, but the first values count equally: after `seen` values (this one included) the mean is a plain mean until the memory is full.
    pub(crate) fn mix_from_start(self, mean: &mut f64, newest: f64, seen: u32) {
        *mean = moved(*mean, newest, self.0.max(1.0 / f64::from(seen.max(1))));
    }

    /// What is left of a sum after one step.
    pub(crate) fn keep(self) -> f64 {
        1.0 - self.0
    }

    /// The share that the newest value has.
    pub(crate) fn share(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_half_gone_after_its_half_life() {
        let named = [
            (Memory::HOURS_18, 18.0),
            (Memory::DAY_1, 24.0),
            (Memory::HOURS_36, 36.0),
            (Memory::DAYS_3, 72.0),
            (Memory::DAYS_4, 96.0),
            (Memory::DAYS_7, 168.0),
            (Memory::DAYS_14, 336.0),
            (Memory::HOURS_36_BY_DAY, 1.5),
            (Memory::DAYS_7_BY_DAY, 7.0),
            (Memory::DAYS_14_BY_DAY, 14.0),
        ];
        for (memory, half_life) in named {
            assert!((memory.keep().powf(half_life) - 0.5).abs() < 1e-12, "{half_life} steps");
        }
    }

    #[test]
    fn the_first_values_have_equal_weight() {
        let mut mean = 0.0;
        for (seen, value) in (1..).zip([3.0, 5.0, 10.0]) {
            Memory::DAYS_3.mix_from_start(&mut mean, value, seen);
        }
        assert!((mean - 6.0).abs() < 1e-12);
    }
}
