//! Tags and attributes as an event holds them: sorted, unique, none empty.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use super::draft::Pair;

/// Sorted by name; of a name that stands twice the last text counts; then what is empty is dropped.
pub(super) fn normalise<'a>(pairs: &mut ArenaVec<'a, Pair<'a>>) {
    if pairs.len() > 1 {
        pairs.sort_by(|a, b| a.0.cmp(b.0));
        // `dedup_by` keeps the first of equals: give it the later text.
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
    }
    pairs.retain(|(name, text)| !name.is_empty() && !text.is_empty());
}

/// Both, normalised already, as one; where both have a name, `own` counts.
pub(super) fn merge<'a>(arena: &'a Bump, own: ArenaVec<'a, Pair<'a>>, other: ArenaVec<'a, Pair<'a>>) -> &'a [Pair<'a>] {
    if other.is_empty() {
        return own.into_bump_slice();
    }
    if own.is_empty() {
        return other.into_bump_slice();
    }
    let mut both = ArenaVec::with_capacity_in(own.len() + other.len(), arena);
    both.extend(other);
    both.extend(own);
    normalise(&mut both);
    both.into_bump_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_of_a_name_counts_and_own_names_win() {
        let arena = Bump::new();
        let mut own = ArenaVec::from_iter_in([("b", "1"), ("a", "2"), ("b", "3"), ("c", "x"), ("c", ""), ("", "y")], &arena);
        normalise(&mut own);
        assert_eq!(&*own, [("a", "2"), ("b", "3")]);
        let other = ArenaVec::from_iter_in([("a", "other"), ("c", "other")], &arena);
        assert_eq!(merge(&arena, own, other), [("a", "2"), ("b", "3"), ("c", "other")]);
    }
}
