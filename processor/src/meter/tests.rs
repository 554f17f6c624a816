use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use schemas::partial::Block;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};
use schemas::{Amount, Currency, GroupingSet, Kind, Measures, Money, Tokens};

use super::*;

const T0: Timestamp = Timestamp::from_micros(1_795_305_600_000_000); // 2026-11-22T00:00:00Z

fn pricer() -> Pricer {
    Pricer::without_prices()
}

fn meter_with(rules: MeterRules) -> Meter {
    Meter::new(rules, MeterPlace { topic: "in".into(), partition: 0, inputs: 1, shards: 2 }, pricer(), 0)
}

fn meter() -> Meter {
    meter_with(MeterRules::new(GroupingSet::defaults()))
}

fn event<'a>(id: &'a str, user: &'a str, at: Timestamp, cents: i64) -> Event<'a> {
    let mut dimensions = [""; Dimension::COUNT];
    dimensions[Dimension::UserId as usize] = user;
    dimensions[Dimension::Service as usize] = "S3";
    Event {
        source: "test",
        event_id: id,
        occurred_at: at,
        kind: Kind::Cost,
        adjusts: "",
        dimensions,
        tokens: Tokens::default(),
        usage_known: true,
        amount: Some(Amount { value: Money::from_units(i128::from(cents) * 10_i128.pow(16)), currency: Currency::USD }),
        revenue: None,
        latency_ms: None,
        status: "",
        error_type: "",
        tags: &[],
        attributes: &[],
    }
}

/// Set, values, bucket, generation.
type CellKey = (String, Vec<String>, Bucket, i64);

/// What a reader of the blocks knows: the last value of every cell.
#[derive(Default)]
struct Reader {
    cells: HashMap<CellKey, (i64, Measures)>,
    sealed: Vec<(Bucket, i64)>,
    accounts: Accounts,
}

impl Reader {
    fn take(&mut self, meter: &mut Meter) {
        for block in meter.take_blocks() {
            let block = Block::read(&block.bytes).unwrap();
            block
                .for_each_cell(|cell| {
                    let key = (cell.set.to_owned(), cell.values.iter().map(|v| (*v).to_owned()).collect(), cell.bucket, cell.generation);
                    let held = self.cells.entry(key).or_insert((0, Measures::EMPTY));
                    if cell.version > held.0 {
                        *held = (cell.version, cell.measures);
                    }
                })
                .unwrap();
            self.sealed.extend(&block.header.sealed);
            self.accounts = block.header.accounts;
        }
    }

    fn totals(&self, set: &str) -> BTreeMap<(Vec<String>, Bucket), (u64, Money)> {
        let mut totals = BTreeMap::new();
        for ((name, values, bucket, _), (_, measures)) in &self.cells {
            if name == set {
                let total: &mut (u64, Money) = totals.entry((values.clone(), *bucket)).or_default();
                *total = (total.0 + measures.events, total.1.checked_add(measures.cost).unwrap());
            }
        }
        totals
    }
}

#[test]
fn each_check_has_its_outcome_in_the_order_of_the_contract() {
    let mut meter = meter();
    let log_time = T0.plus(DAY_US);
    let mut fold = |offset, event: Event<'_>| match meter.fold(offset, log_time, &event).unwrap() {
        Fate::Counted(_) => "counted",
        Fate::Duplicate => "duplicate",
        Fate::Refused(_, rejection) => rejection.reason.code(),
    };
    assert_eq!(fold(0, event("a", "u", T0, 1)), "counted");
    assert_eq!(fold(1, event("a", "u", T0, 1)), "duplicate");
    assert_eq!(fold(2, event("a", "u", T0, 2)), "conflict");
    assert_eq!(fold(3, event("a", "u", T0.plus(1), 1)), "conflict");
    assert_eq!(fold(4, event("b", "u", log_time.plus(5 * MINUTE_US), 1)), "counted");
    assert_eq!(fold(5, event("c", "u", log_time.plus(5 * MINUTE_US + 1), 1)), "occurred_at_in_future");
    let oldest = log_time.plus(5 * MINUTE_US - 35 * DAY_US);
    assert_eq!(fold(6, event("d", "u", oldest, 1)), "counted");
    assert_eq!(fold(7, event("a", "u", oldest.plus(-1), 1)), "too_late");
    // Late and rejected ones do not take the id.
    assert_eq!(fold(8, event("c", "u", T0, 1)), "counted");
    let accounts = *meter.accounts();
    assert_eq!((accounts.counted, accounts.duplicate, accounts.conflict, accounts.late, accounts.rejected), (4, 1, 2, 1, 1));
    assert!(accounts.is_conserved());
}

#[test]
fn a_flush_sends_cumulative_values_of_what_changed() {
    let (mut meter, mut reader) = (meter(), Reader::default());
    meter.fold(0, T0, &event("a", "u1", T0, 5)).unwrap();
    meter.fold(1, T0, &event("b", "u2", T0, 7)).unwrap();
    meter.flush();
    reader.take(&mut meter);
    meter.fold(2, T0, &event("c", "u1", T0, 1)).unwrap();
    meter.flush();
    reader.take(&mut meter);
    let users = reader.totals("user");
    assert_eq!(users[&(vec!["u1".to_owned()], Bucket::of(T0))], (2, "0.06".parse().unwrap()));
    assert_eq!(reader.totals("total")[&(vec![], Bucket::of(T0))], (3, "0.13".parse().unwrap()));
    assert_eq!(reader.accounts.next_offset, 3);
    meter.flush();
    assert_eq!(meter.take_blocks().len(), 0, "nothing happened, nothing is sent");
}

#[test]
fn a_late_event_after_sealing_opens_a_generation_of_its_own() {
    let (mut meter, mut reader) = (meter(), Reader::default());
    meter.fold(0, T0, &event("a", "u", T0, 5)).unwrap();
    meter.fold(1, T0.plus(DAY_US), &event("b", "u", T0.plus(3 * HOUR_US), 5)).unwrap();
    meter.fold(2, T0.plus(DAY_US), &event("c", "u", T0, 5)).unwrap();
    meter.flush();
    reader.take(&mut meter);
    assert_eq!(reader.sealed, [(Bucket::of(T0), 0), (Bucket::of(T0), 0)], "told to both shards");
    let generations: Vec<i64> = reader.cells.keys().filter(|key| key.0 == "total" && key.2 == Bucket::of(T0)).map(|key| key.3).collect();
    assert_eq!(generations.len(), 2);
    assert_eq!(reader.totals("total")[&(vec![], Bucket::of(T0))].0, 2);
}

#[test]
fn a_decision_of_the_clock_changes_what_is_closed_and_not_the_generations() {
    let late = |id, minutes: i64| (id, T0.plus(minutes * MINUTE_US));
    let events = [late("a", 0), late("b", 90), late("c", 0), late("d", 151), late("e", 0)];
    let generations = |silent_after: Option<usize>| {
        let (mut meter, mut reader, mut closed) = (meter(), Reader::default(), Vec::new());
        for (offset, (id, at)) in events.iter().enumerate() {
            meter.fold(offset as i64, T0.plus(DAY_US), &event(id, "u", *at, 1)).unwrap();
            if silent_after == Some(offset) {
                meter.idle(T0.plus(DAY_US));
            }
            meter.flush();
            closed.extend(meter.blocks.last().map(|block| Block::read(&block.bytes).unwrap().header.closed_before));
            reader.take(&mut meter);
        }
        let mut keys: Vec<_> = reader.cells.into_iter().map(|(key, (version, _))| (key.2, key.3, version)).collect();
        keys.sort_unstable();
        (keys, closed.last().copied())
    };
    let (undisturbed, closed) = generations(None);
    for silent_after in 0..events.len() {
        let (disturbed, closed_by_clock) = generations(Some(silent_after));
        assert_eq!(disturbed, undisturbed, "silent after {silent_after}");
        assert!(closed_by_clock > closed);
    }
}

#[test]
fn over_the_limit_of_a_set_values_are_counted_under_other_and_totals_stay_exact() {
    let mut rules = MeterRules::new(GroupingSet::defaults());
    for set in &mut rules.sets {
        set.max_series = 3;
    }
    let (mut meter, mut reader) = (meter_with(rules), Reader::default());
    for user in 0..10_i64 {
        let name = format!("u{user}");
        meter.fold(user, T0, &event(&name, &name, T0, 1)).unwrap();
    }
    meter.flush();
    reader.take(&mut meter);
    let users = reader.totals("user");
    assert_eq!(users.len(), 4);
    assert_eq!(users[&(vec!["__other__".to_owned()], Bucket::of(T0))].0, 7);
    assert_eq!(reader.totals("total")[&(vec![], Bucket::of(T0))].0, 10);
}

#[test]
fn a_filtered_set_takes_only_what_it_names() {
    let filter = vec![(Dimension::UserId, vec!["u1".to_owned(), "u2".to_owned()])];
    let set = GroupingSet { filter, ..GroupingSet::new("budget:x", &[]) };
    let (mut meter, mut reader) = (meter_with(MeterRules::new(vec![set])), Reader::default());
    for (offset, user) in ["u1", "u2", "u3", ""].into_iter().enumerate() {
        meter.fold(offset as i64, T0, &event(user, user, T0, 1)).unwrap();
    }
    meter.flush();
    reader.take(&mut meter);
    assert_eq!(reader.totals("budget:x")[&(vec![], Bucket::of(T0))].0, 2);
}

#[test]
fn a_limit_of_identities_stops_instead_of_forgetting() {
    let mut meter = meter_with(MeterRules { max_identities: 1, ..MeterRules::new(GroupingSet::defaults()) });
    meter.fold(0, T0, &event("a", "u", T0, 1)).unwrap();
    assert_eq!(meter.fold(1, T0, &event("b", "u", T0, 1)), Err(MeterError::TooManyIdentities { held: 1 }));
    assert_eq!(meter.accounts().next_offset, 1);
}

#[test]
fn a_flood_of_values_does_not_grow_the_index_for_ever() {
    let mut meter = meter();
    for number in 0..200_000_i64 {
        let name = format!("u{number}");
        meter.fold(number, T0.plus(DAY_US), &event(&name, &name, T0.plus(number * 200_000), 1)).unwrap();
        meter.take_blocks();
    }
    assert!(meter.index.len() < 80_000, "{} series, {} cells", meter.index.len(), meter.cells());
}

#[test]
fn a_flood_of_long_values_within_one_window_stays_within_the_limits() {
    const MAX_SERIES: u32 = 1000;
    const EVENTS: i64 = 300_000;
    let sets = GroupingSet::defaults().into_iter().map(|set| GroupingSet { max_series: MAX_SERIES, ..set });
    let mut meter = meter_with(MeterRules::new(sets.collect()));
    let filler = "x".repeat(1000);
    let mut most = 0;
    for number in 0..EVENTS {
        let mut flood = event("", "", T0, 1);
        let texts = [format!("e{number}"), format!("u{number}{filler}"), format!("f{number}{filler}")];
        flood.event_id = &texts[0];
        flood.dimensions[Dimension::UserId as usize] = &texts[1];
        flood.dimensions[Dimension::Feature as usize] = &texts[2];
        meter.fold(number, T0.plus(DAY_US), &flood).unwrap();
        most = most.max(meter.index.bytes());
    }
    let limit = 2 * meter.cells() + DEAD_SERIES;
    assert!(
        meter.cells() <= 2 * MAX_SERIES as usize + 20 && meter.index.len() <= limit + 20,
        "{} cells, {} series",
        meter.cells(),
        meter.index.len()
    );
    assert!(most < 2 * limit * (filler.len() + 200), "{most} bytes of series");
    let mut reader = Reader::default();
    meter.flush();
    reader.take(&mut meter);
    for set in ["total", "user", "feature"] {
        let all = reader.totals(set);
        let events: u64 = all.values().map(|(events, _)| events).sum();
        assert_eq!((events, all.len() <= MAX_SERIES as usize + 1), (EVENTS as u64, true), "{set}");
    }
}

#[test]
fn the_index_may_be_numbered_anew_in_the_middle_of_a_group() {
    // Ever new users, whose series die, and between them one that is known, whose series has another number afterwards.
    let user = |number: usize| if number.is_multiple_of(2) { format!("new{number}") } else { format!("known{}", number / 1000) };
    let users: Vec<String> = (0..200_000).map(user).collect();
    let ids: Vec<String> = (0..200_000).map(|number| format!("e{}", number - usize::from(number % 7 == 6))).collect();
    let at = |number: usize| T0.plus(number as i64 * 400_000);
    let events: Vec<Event<'_>> = ids.iter().zip(&users).enumerate().map(|(n, (id, user))| event(id, user, at(n), 1)).collect();
    let (mut single, mut grouped) = (meter(), meter());
    let mut ahead = LookAhead::default();
    for (number, group) in events.chunks(32).enumerate() {
        let mut turns = ahead.over(group);
        for (nth, event) in group.iter().enumerate() {
            let (offset, log_time) = ((number * 32 + nth) as i64, T0.plus(DAY_US));
            let (folded, fate) = grouped.fold_next(offset, log_time, &mut turns).unwrap();
            assert_eq!((folded, fate), (event, single.fold(offset, log_time, event).unwrap()));
            assert!(grouped.take_blocks().eq(single.take_blocks()));
        }
    }
    assert!(grouped.numbering >= 2, "it was numbered anew {} times", grouped.numbering);
    assert_eq!(grouped.snapshot().unwrap(), single.snapshot().unwrap());
}

#[test]
fn state_of_another_version_partition_or_shard_count_is_refused() {
    let mut bytes = meter().snapshot().unwrap();
    let rules = || MeterRules::new(GroupingSet::defaults());
    let place = MeterPlace { topic: "in".into(), partition: 0, inputs: 1, shards: 2 };
    let restore = |bytes: &[u8], place: &MeterPlace| Meter::restore(bytes, rules(), place.clone(), pricer()).map(|_| ());
    assert!(restore(&bytes, &place).is_ok());
    assert!(matches!(restore(&bytes, &MeterPlace { partition: 1, ..place.clone() }), Err(SnapshotError::Foreign { .. })));
    assert!(matches!(restore(&bytes, &MeterPlace { shards: 3, ..place.clone() }), Err(SnapshotError::Shards { found: 2, wanted: 3 })));
    assert!(matches!(restore(&bytes[..3], &place), Err(SnapshotError::Malformed(_))));
    bytes[0] = 9;
    assert_eq!(restore(&bytes, &place), Err(SnapshotError::Version(9)));
}

#[test]
fn cells_of_a_set_that_has_another_key_now_are_forgotten() {
    let rules = |key: &[Dimension]| MeterRules::new(vec![GroupingSet::new("user", key), GroupingSet::new("total", &[])]);
    let mut meter = meter_with(rules(&[Dimension::UserId]));
    meter.fold(0, T0, &event("a", "ada", T0, 1)).unwrap();
    let bytes = meter.snapshot().unwrap();
    for (key, cells) in [(&[Dimension::UserId][..], 2), (&[Dimension::Team], 1), (&[Dimension::UserId, Dimension::Team], 1), (&[], 1)] {
        let mut restored = Meter::restore(&bytes, rules(key), meter.place.clone(), pricer()).unwrap();
        assert_eq!(restored.cells(), cells);
        restored.fold(1, T0, &event("b", "ada", T0, 1)).unwrap();
        assert_eq!(restored.cells(), 2);
    }
}

/// A made-up event: id, user, minutes after T0, cents.
type Made = (u8, u8, i64, i64);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Duplicates, conflicts, late, future and new events, few and many cells allowed, in groups of any size with flushes between them.
    #[test]
    fn folding_in_groups_equals_folding_one_by_one(
        made in prop::collection::vec((0_u8..60, 0_u8..20, -3000_i64..3000, -1_i64..2), 1..200),
        sizes in prop::collection::vec(1_usize..33, 200), max_series in 2_u32..30, max_cells in 1_usize..200, max_identities in 20_usize..100,
    ) {
        let mut rules = MeterRules { max_cells, max_identities, horizon_us: DAY_US, ..MeterRules::new(GroupingSet::defaults()) };
        rules.sets.iter_mut().for_each(|set| set.max_series = max_series);
        let (mut single, mut grouped, mut ahead) = (meter_with(rules.clone()), meter_with(rules), LookAhead::default());
        let names: Vec<(String, String)> = made.iter().map(|(id, user, ..)| (format!("e{id}"), format!("u{user}"))).collect();
        let at = |minutes: i64| T0.plus(if minutes < 1000 { minutes.max(0) / 100 } else { minutes } * MINUTE_US);
        let events: Vec<Event<'_>> = made.iter().zip(&names).map(|(m, (id, user))| event(id, user, at(m.2), m.3)).collect();
        let (mut rest, mut sizes, mut offset) = (&events[..], sizes.into_iter(), 0);
        'all: while !rest.is_empty() {
            let (group, after) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
            let mut turns = ahead.over(group);
            for event in group {
                let log_time = T0.plus(2000 * MINUTE_US);
                let fate = grouped.fold_next(offset, log_time, &mut turns).map(|(_, fate)| fate);
                prop_assert_eq!(&fate, &single.fold(offset, log_time, event));
                if fate.is_err() {
                    break 'all;
                }
                offset += 1;
            }
            (rest, _) = (after, (single.flush(), grouped.flush()));
            prop_assert!(grouped.take_blocks().eq(single.take_blocks()));
        }
        prop_assert_eq!(grouped.accounts(), single.accounts());
        prop_assert_eq!(grouped.take_segment(), single.take_segment());
        prop_assert_eq!(grouped.snapshot(), single.snapshot());
    }

    /// The disturbed meter flushes at other moments and is twice killed and restored from a snapshot, so that it sends again what
    /// was sent before. A reader of all blocks ends with the same totals as a plain recount.
    #[test]
    fn a_crashed_and_restored_run_equals_a_plain_recount(
        made in prop::collection::vec((0_u8..60, 0_u8..5, 0_i64..600, 1_i64..100), 1..120),
        flushes in prop::collection::vec(any::<bool>(), 120), snapshot_at in 0_usize..120, crash_after in 0_usize..60,
    ) {
        let names: Vec<(String, String)> = made.iter().map(|(id, user, ..)| (format!("e{id}"), format!("u{user}"))).collect();
        let at = |made: &Made, index: usize| event(&names[index].0, &names[index].1, T0.plus(made.2 * MINUTE_US), made.3);
        let log_time = T0.plus(DAY_US);
        let (mut undisturbed, mut plain) = (meter(), BTreeMap::new());
        for (index, m) in made.iter().enumerate() {
            if let Fate::Counted(_) = undisturbed.fold(index as i64, log_time, &at(m, index)).unwrap() {
                let total: &mut (u64, Money) = plain.entry((vec![names[index].1.clone()], Bucket::of(at(m, index).occurred_at))).or_default();
                *total = (total.0 + 1, total.1.checked_add(Money::from_units(i128::from(m.3) * 10_i128.pow(16))).unwrap());
            }
        }
        let (mut disturbed, mut reader, mut saved, mut segments) = (meter(), Reader::default(), None, Vec::new());
        let mut index = 0;
        let mut crashed = false;
        while index < made.len() {
            disturbed.fold(index as i64, log_time, &at(&made[index], index)).unwrap();
            index += 1;
            if flushes[index - 1] {
                disturbed.flush();
            }
            reader.take(&mut disturbed);
            if index == snapshot_at {
                disturbed.flush();
                reader.take(&mut disturbed);
                segments.push(disturbed.take_segment().bytes);
                saved = Some((disturbed.snapshot().unwrap(), index));
            }
            if let Some((bytes, offset)) = saved.as_ref().filter(|(_, offset)| !crashed && index == offset + crash_after) {
                let place = MeterPlace { topic: "in".into(), partition: 0, inputs: 1, shards: 2 };
                disturbed = Meter::restore(bytes, MeterRules::new(GroupingSet::defaults()), place, pricer()).unwrap();
                segments.iter().for_each(|segment| disturbed.restore_segment(segment));
                (index, crashed) = (*offset, true);
            }
        }
        disturbed.flush();
        reader.take(&mut disturbed);
        prop_assert_eq!(reader.totals("user"), plain);
        prop_assert_eq!(disturbed.accounts(), undisturbed.accounts());
        prop_assert!(disturbed.accounts().is_conserved());
    }
}
