//! The one state that the exit code stands for: the worst of the scopes that can be judged.

use detection::rhythm::State;

use super::{Inputs, RhythmFound, ScopeStatus, Verdict};

/// Whether a scope has a say, and why not.
pub(super) fn scope_status(scope: String, rhythm: Option<RhythmFound>, stale_after_s: i64) -> ScopeStatus {
    let (is_judged, note) = match &rhythm {
        None => (false, "no rhythm: there was no spend yet, or the scope is not watched".to_owned()),
        Some(found) if found.age_s > stale_after_s => (false, format!("stale: the newest hour ended {} ago", duration(found.age_s))),
        Some(found) => match found.state {
            State::Learning => (false, "learning: too little was seen to judge".to_owned()),
            State::Idle => (false, "idle: nothing was spent for long".to_owned()),
            State::Resonant => (true, "spend comes as expected".to_owned()),
            State::Dissonant => (true, "spend drifts".to_owned()),
            State::Chaotic => (true, "spend cannot be predicted".to_owned()),
        },
    };
    ScopeStatus { scope, is_judged, note, rhythm }
}

/// The verdict over scopes. `all_must_be`: a scope that was asked for by name and cannot be judged is no judgement.
pub(super) fn verdict(scopes: &[ScopeStatus], inputs: &Inputs, all_must_be: bool) -> Verdict {
    let none = |reason: String| Verdict { state: None, exit_code: 3, reason };
    let Some(age_s) = inputs.newest_event_age_s else {
        return none("no data: there was no event in the last 40 days".to_owned());
    };
    if age_s > inputs.stale_after_s {
        let age = duration(age_s);
        return none(format!("stale: the newest event is {age} old; either nothing was spent or events do not arrive"));
    }
    if let Some(unjudged) = scopes.iter().find(|scope| all_must_be && !scope.is_judged) {
        return none(format!("{}: {}", unjudged.scope, unjudged.note));
    }
    let judged = || scopes.iter().filter(|scope| scope.is_judged);
    let worst = judged().filter_map(|scope| Some((scope.rhythm.as_ref()?.state, &scope.scope))).min_by_key(|(state, _)| state.code());
    let Some((state, worst)) = worst else {
        let notes: Vec<String> = scopes.iter().take(3).map(|scope| format!("{}: {}", scope.scope, scope.note)).collect();
        return none(format!("no scope can be judged; {}", notes.join("; ")));
    };
    let unjudged = scopes.iter().filter(|scope| !scope.is_judged).count();
    let rest = if unjudged > 0 { format!("; {unjudged} more cannot be judged") } else { String::new() };
    let reason = format!("the worst of {} judged is {worst}{rest}", judged().count());
    Verdict { state: Some(state), exit_code: 2 - state.code().unwrap_or(0), reason }
}

/// `5 h 12 min`
fn duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    match minutes {
        0..60 => format!("{minutes} min"),
        60..2880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(name: &str, state: State, age_s: i64) -> ScopeStatus {
        let rhythm = RhythmFound {
            scope: name.to_owned(),
            hour: "2026-11-27T14:00:00Z".to_owned(),
            age_s,
            state,
            coherence: None,
            phase: None,
            entropy: None,
            actual: None,
            expected: None,
        };
        scope_status(name.to_owned(), Some(rhythm), 10_800)
    }

    fn inputs(age_s: Option<i64>) -> Inputs {
        Inputs {
            database: "cost_rhythm".to_owned(),
            stale_after_s: 10_800,
            newest_event_at: None,
            newest_event_age_s: age_s,
            events_24h: 1,
            unpriced_events_24h: 0,
            accounts: Vec::new(),
        }
    }

    fn judge(scopes: &[ScopeStatus], all_must_be: bool) -> (Option<State>, u8) {
        let verdict = verdict(scopes, &inputs(Some(60)), all_must_be);
        (verdict.state, verdict.exit_code)
    }

    #[test]
    fn the_worst_scope_that_can_be_judged_decides() {
        let (good, drifting, chaotic) = (scope("a", State::Resonant, 60), scope("b", State::Dissonant, 60), scope("c", State::Chaotic, 60));
        assert_eq!(judge(std::slice::from_ref(&good), false), (Some(State::Resonant), 0));
        assert_eq!(judge(&[good.clone(), drifting.clone()], false), (Some(State::Dissonant), 1));
        assert_eq!(judge(&[chaotic, drifting, good], false), (Some(State::Chaotic), 2));
    }

    #[test]
    fn learning_idle_and_stale_scopes_have_no_say_and_are_no_good_state() {
        let silent = [scope("a", State::Learning, 60), scope("b", State::Idle, 60), scope("c", State::Chaotic, 10_801)];
        assert_eq!(judge(&silent, false), (None, 3));
        let mut with_one = silent.to_vec();
        with_one.push(scope("d", State::Resonant, 60));
        assert_eq!(judge(&with_one, false), (Some(State::Resonant), 0));
        assert_eq!(judge(&with_one, true), (None, 3), "asked for by name, all must be judged");
    }

    #[test]
    fn old_or_missing_events_are_no_ground_for_a_judgement() {
        let good = [scope("a", State::Resonant, 60)];
        let stale = verdict(&good, &inputs(Some(20_000)), false);
        assert_eq!((stale.state, stale.exit_code), (None, 3));
        assert!(stale.reason.contains("5 h 33 min old"), "{}", stale.reason);
        assert!(verdict(&good, &inputs(None), false).reason.starts_with("no data"));
    }
}
