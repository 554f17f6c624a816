use super::*;

const GOOD: Measures = Measures { coherence: 0.9, phase: 0.95, entropy: 0.1, episodes: Some(20.0), unprecedented: 0.0 };

fn after(hours: usize, from: State, measures: Measures) -> State {
    let mut hysteresis = Hysteresis::default();
    hysteresis.enter(from);
    for _ in 0..hours {
        hysteresis.judge(&measures, &Limits::default());
    }
    hysteresis.state()
}

#[test]
fn a_first_judgement_is_believed_at_once() {
    assert_eq!(after(1, State::Learning, GOOD), State::Resonant);
    assert_eq!(after(1, State::Idle, Measures { entropy: 0.8, ..GOOD }), State::Chaotic);
}

#[test]
fn worse_needs_three_hours_and_better_twelve() {
    let drifting = Measures { phase: 0.6, ..GOOD };
    assert_eq!(after(2, State::Resonant, drifting), State::Resonant);
    assert_eq!(after(3, State::Resonant, drifting), State::Dissonant);
    assert_eq!(after(11, State::Dissonant, GOOD), State::Dissonant);
    assert_eq!(after(12, State::Dissonant, GOOD), State::Resonant);
    assert_eq!(after(11, State::Chaotic, GOOD), State::Chaotic);
    assert_eq!(after(12, State::Chaotic, GOOD), State::Resonant);
}

#[test]
fn an_hour_between_begins_the_count_anew() {
    let mut hysteresis = Hysteresis::default();
    hysteresis.enter(State::Resonant);
    let drifting = Measures { phase: 0.6, ..GOOD };
    for measures in [drifting, drifting, GOOD, drifting, drifting] {
        hysteresis.judge(&measures, &Limits::default());
    }
    assert_eq!(hysteresis.state(), State::Resonant);
    assert_eq!(hysteresis.pending(), Some(Pending { state: State::Dissonant, hours: 2 }));
}

#[test]
fn resonance_is_left_only_beyond_the_margin_of_each_limit() {
    for (at_margin, beyond) in [
        (Measures { coherence: 0.65, ..GOOD }, Measures { coherence: 0.649, ..GOOD }),
        (Measures { phase: 0.75, ..GOOD }, Measures { phase: 0.749, ..GOOD }),
        (Measures { entropy: 0.55, ..GOOD }, Measures { entropy: 0.551, ..GOOD }),
    ] {
        assert_eq!(after(3, State::Resonant, at_margin), State::Resonant, "{at_margin:?}");
        assert_eq!(after(3, State::Resonant, beyond), State::Dissonant, "{beyond:?}");
        assert_eq!(after(12, State::Dissonant, at_margin), State::Dissonant, "it is entered at the limit itself: {at_margin:?}");
    }
}

#[test]
fn resonance_is_entered_at_its_limits() {
    let at_limits = Measures { coherence: 0.7, phase: 0.8, entropy: 0.5, ..GOOD };
    assert_eq!(after(1, State::Learning, at_limits), State::Resonant);
    assert_eq!(after(1, State::Learning, Measures { coherence: 0.6999, ..at_limits }), State::Dissonant);
    assert_eq!(after(1, State::Learning, Measures { phase: 0.7999, ..at_limits }), State::Dissonant);
    assert_eq!(after(1, State::Learning, Measures { entropy: 0.5001, ..at_limits }), State::Dissonant);
}

#[test]
fn chaos_is_entered_beyond_its_limits_and_left_beyond_the_margin() {
    for (at_limit, beyond, inside, outside) in [
        (
            Measures { coherence: 0.45, ..GOOD },
            Measures { coherence: 0.4499, ..GOOD },
            Measures { coherence: 0.4999, ..GOOD },
            Measures { coherence: 0.5, ..GOOD },
        ),
        (
            Measures { entropy: 0.75, ..GOOD },
            Measures { entropy: 0.7501, ..GOOD },
            Measures { entropy: 0.7001, ..GOOD },
            Measures { entropy: 0.7, ..GOOD },
        ),
    ] {
        assert_eq!(after(3, State::Dissonant, at_limit), State::Dissonant, "{at_limit:?}");
        assert_eq!(after(3, State::Dissonant, beyond), State::Chaotic, "{beyond:?}");
        assert_eq!(after(12, State::Chaotic, inside), State::Chaotic, "{inside:?}");
        assert_eq!(after(12, State::Chaotic, outside), State::Dissonant, "{outside:?}");
    }
}

#[test]
fn all_three_bad_is_chaos_though_none_is_beyond_its_own_limit() {
    let bad = Measures { coherence: 0.6, phase: 0.7, entropy: 0.6, ..GOOD };
    assert_eq!(after(3, State::Dissonant, bad), State::Chaotic);
}

#[test]
fn few_deviations_are_no_chaos_unless_they_are_of_unheard_of_size() {
    let moved = Measures { coherence: 0.3, phase: 0.3, entropy: 0.9, episodes: Some(3.4), unprecedented: 0.0 };
    assert_eq!(after(3, State::Resonant, moved), State::Dissonant);
    assert_eq!(after(3, State::Resonant, Measures { episodes: Some(3.5), ..moved }), State::Chaotic);
    assert_eq!(after(3, State::Resonant, Measures { episodes: None, ..moved }), State::Chaotic);
    assert_eq!(after(3, State::Resonant, Measures { unprecedented: 0.1, ..moved }), State::Chaotic);
}

#[test]
fn states_have_the_codes_of_the_table() {
    let codes = [State::Resonant, State::Dissonant, State::Chaotic, State::Learning, State::Idle].map(State::code);
    assert_eq!(codes, [Some(2), Some(1), Some(0), None, None]);
}
