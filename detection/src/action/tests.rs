use super::*;

const STATES: [State; 5] = [State::Learning, State::Idle, State::Resonant, State::Dissonant, State::Chaotic];
const GOOD_GATE: Option<f64> = Some(80.0);

fn action(forecast: f64, budget: f64, state: State, gate: Option<f64>) -> Action {
    ActionLimits::default().action(forecast, budget, state, gate)
}

#[test]
fn the_two_public_examples() {
    assert_eq!(action(110.0, 100.0, State::Dissonant, GOOD_GATE), Action::ScaleDown);
    assert_eq!(action(120.0, 100.0, State::Chaotic, GOOD_GATE), Action::EmergencyStop);
}

#[test]
fn every_boundary_with_chaos() {
    for (forecast, wanted) in [
        (99.999_999, Action::None),
        (100.0, Action::ScaleDown),
        (109.999_999, Action::ScaleDown),
        (110.0, Action::Rollback),
        (119.999_999, Action::Rollback),
        (120.0, Action::EmergencyStop),
        (500.0, Action::EmergencyStop),
    ] {
        assert_eq!(action(forecast, 100.0, State::Chaotic, GOOD_GATE), wanted, "{forecast}");
    }
}

#[test]
fn every_boundary_without_chaos() {
    for state in [State::Learning, State::Idle, State::Resonant, State::Dissonant] {
        for (forecast, gate, wanted) in [
            (99.999_999, Some(0.0), Action::None),
            (100.0, Some(0.0), Action::ScaleDown),
            (109.999_999, Some(0.0), Action::ScaleDown),
            (110.0, Some(49.999_999), Action::Rollback),
            (110.0, Some(50.0), Action::ScaleDown),
            (110.0, None, Action::ScaleDown),
            (120.0, Some(49.999_999), Action::Rollback),
            (120.0, Some(50.0), Action::ScaleDown),
            (500.0, None, Action::ScaleDown),
        ] {
            assert_eq!(action(forecast, 100.0, state, gate), wanted, "{state} {forecast} {gate:?}");
        }
    }
}

#[test]
fn a_boundary_is_met_exactly_in_any_size_of_budget() {
    for budget in [0.1, 0.3, 1.0, 7.0, 30.0, 33.0, 167.0, 200.0, 2000.0, 500_000.0] {
        // Decimal boundaries as a person would write them.
        let of = |percent: f64| budget * percent / 100.0;
        assert_eq!(action(of(100.0), budget, State::Chaotic, None), Action::ScaleDown, "{budget}");
        assert_eq!(action(of(110.0), budget, State::Chaotic, None), Action::Rollback, "{budget}");
        assert_eq!(action(of(120.0), budget, State::Chaotic, None), Action::EmergencyStop, "{budget}");
    }
}

#[test]
fn more_money_never_makes_an_action_milder() {
    for state in STATES {
        for gate in [None, Some(20.0), GOOD_GATE] {
            let actions: Vec<Action> = (0..200).map(|percent| action(f64::from(percent), 100.0, state, gate)).collect();
            assert!(actions.is_sorted(), "{state} {gate:?}");
        }
    }
}

#[test]
fn actions_are_written_as_in_the_table() {
    let names = [Action::None, Action::ScaleDown, Action::Rollback, Action::EmergencyStop].map(Action::as_str);
    assert_eq!(names, ["NONE", "SCALE_DOWN", "ROLLBACK", "EMERGENCY_STOP"]);
    for action in [Action::None, Action::EmergencyStop] {
        assert_eq!(serde_json::to_string(&action).expect("json"), format!("\"{action}\""));
    }
}
