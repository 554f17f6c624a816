//! What is to be told of incidents.

use std::collections::BTreeMap;

use schemas::alert::AlertState;

use super::{Incident, IncidentKey, Notice};

/// Hours of one cause are closed on many partitions, one soon after the other: an incident is told when it has not changed for so long, in seconds.
const SETTLED_AFTER_S: i64 = 20;

/// What was told of an incident.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    is_critical: bool,
    is_over: bool,
}

/// Compares incidents as they are with what was told of them.
#[derive(Debug, Default)]
pub struct Tracker {
    told: BTreeMap<IncidentKey, Told>,
    /// As last seen, and since when unchanged.
    seen: BTreeMap<IncidentKey, (Incident, i64)>,
}

impl Tracker {
    /// Knows what was told by other processes.
    pub fn new(notices: impl IntoIterator<Item = Notice>) -> Self {
        let mut tracker = Tracker::default();
        for notice in notices {
            tracker.note(&notice);
            tracker.seen.insert(notice.incident.key.clone(), (notice.incident, i64::MAX));
        }
        tracker
    }

    /// What is to be told of these, which are all there are, at this time in seconds. What was sent is to be [noted](Tracker::note).
    pub fn look(&mut self, incidents: &[Incident], now_s: i64) -> Vec<Notice> {
        let mut before = std::mem::take(&mut self.seen);
        let mut notices = Vec::new();
        for incident in incidents {
            let unchanged = before.remove(&incident.key).filter(|(seen, _)| seen == incident);
            let since = unchanged.map_or(now_s, |(_, since)| since.min(now_s));
            if now_s - since >= SETTLED_AFTER_S {
                notices.extend(self.due(incident));
            }
            self.seen.insert(incident.key.clone(), (incident.clone(), since));
        }
        for (key, (incident, since)) in before {
            if self.told.get(&key).is_none_or(|told| told.is_over) {
                continue;
            }
            // It was told and is not one of its own any more: a narrower scope explains it by now. That one is told first.
            if let Some(by) = incidents.iter().find(|other| is_part_of(&incident, other) && self.told.contains_key(&other.key)) {
                notices.push(Notice { explained_by: Some(by.key.clone()), state: AlertState::Resolved, incident: incident.clone() });
            }
            // Until it was told as over: sending may fail.
            self.seen.insert(key, (incident, since));
        }
        notices
    }

    /// A notice was sent.
    pub fn note(&mut self, notice: &Notice) {
        let told = self.told.entry(notice.incident.key.clone()).or_default();
        told.is_critical |= notice.incident.is_critical;
        told.is_over |= notice.state == AlertState::Resolved;
    }

    fn due(&self, incident: &Incident) -> Option<Notice> {
        let state = match self.told.get(&incident.key) {
            None => AlertState::Fired,
            Some(told) if told.is_over => return None,
            Some(told) if incident.is_critical && !told.is_critical => AlertState::Escalated,
            Some(_) if incident.is_over => AlertState::Resolved,
            Some(_) => return None,
        };
        Some(Notice { incident: incident.clone(), state, explained_by: None })
    }
}

/// Is this scope a contributor of the other incident, or the same with another beginning, in hours that both have?
fn is_part_of(incident: &Incident, other: &Incident) -> bool {
    let mut scopes = other.contributors.iter().map(|contributor| &contributor.scope).chain([&other.key.scope]);
    let is_named = scopes.any(|scope| *scope == incident.key.scope);
    is_named && other.started_at < incident.ended_at && incident.started_at < other.ended_at
}

#[cfg(test)]
mod tests {
    use super::super::Contributor;
    use super::*;
    use crate::Amount;

    const HOUR: i64 = 3600;

    /// `scopes`: the narrowest first.
    fn incident(scopes: &[&str], first_hour: i64, hours: i64) -> Incident {
        let amount = |text: &str| Amount(text.parse().unwrap());
        let contributor = |scope: &&str| Contributor {
            scope: (*scope).to_owned(),
            actual: amount("12.5"),
            expected: amount("1"),
            excess: amount("11.5"),
        };
        Incident {
            key: IncidentKey { scope: scopes[0].to_owned(), since: first_hour * HOUR },
            started_at: first_hour * HOUR,
            ended_at: (first_hour + hours) * HOUR,
            is_over: false,
            is_critical: false,
            rules: vec!["spike".to_owned()],
            actual: amount("12.34"),
            expected: amount("0.5"),
            excess: amount("11.84"),
            factor: Some(24.68),
            contributors: scopes[1..].iter().map(contributor).collect(),
        }
    }

    /// Is something seen that is to be told as soon as it settles?
    fn is_waiting(tracker: &Tracker) -> bool {
        tracker.seen.values().any(|(incident, _)| tracker.due(incident).is_some())
    }

    /// Looks until nothing changes any more; what is told, as scope and state.
    fn settle(tracker: &mut Tracker, now_s: &mut i64, incidents: &[Incident]) -> Vec<(String, AlertState, Option<String>)> {
        let mut told = Vec::new();
        for _ in 0..12 {
            *now_s += 5;
            for notice in tracker.look(incidents, *now_s) {
                tracker.note(&notice);
                told.push((notice.incident.key.scope.clone(), notice.state, notice.explained_by.map(|by| by.scope)));
            }
        }
        told
    }

    #[test]
    fn an_incident_is_told_once_when_it_has_settled_and_again_when_it_is_worse_or_over() {
        let (mut tracker, mut now) = (Tracker::default(), 0);
        let mut seen = incident(&["feature=a", "total"], 10, 1);
        assert!(tracker.look(std::slice::from_ref(&seen), 0).is_empty() && is_waiting(&tracker));
        let told = |state| vec![("feature=a".to_owned(), state, None)];
        assert_eq!(settle(&mut tracker, &mut now, &[seen.clone()]), told(AlertState::Fired));
        seen.ended_at += HOUR;
        assert_eq!(settle(&mut tracker, &mut now, &[seen.clone()]), []);
        seen.is_critical = true;
        assert_eq!(settle(&mut tracker, &mut now, &[seen.clone()]), told(AlertState::Escalated));
        seen.is_over = true;
        assert_eq!(settle(&mut tracker, &mut now, &[seen.clone()]), told(AlertState::Resolved));
        assert_eq!(settle(&mut tracker, &mut now, &[seen]), []);
        assert!(!is_waiting(&tracker));
    }

    #[test]
    fn while_hours_of_its_scopes_still_come_in_nothing_is_told() {
        let mut tracker = Tracker::default();
        for look in 0..20 {
            let scopes: Vec<String> = (0..=look).map(|number| format!("team={number}")).collect();
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            assert!(tracker.look(&[incident(&scopes, 10, 1)], look * 5).is_empty());
        }
    }

    #[test]
    fn what_a_narrower_scope_explains_later_is_resolved_by_that_also_after_a_restart() {
        for is_restarted in [false, true] {
            let (mut tracker, mut now) = (Tracker::default(), 0);
            let wide = incident(&["provider=x", "total"], 10, 1);
            let fired = Notice { incident: wide.clone(), state: AlertState::Fired, explained_by: None };
            assert_eq!(settle(&mut tracker, &mut now, &[wide]).len(), 1);
            if is_restarted {
                tracker = Tracker::new([serde_json::from_str(&serde_json::to_string(&fired).unwrap()).unwrap()]);
            }
            let narrow = incident(&["feature=a", "provider=x", "total"], 11, 1);
            let apart = Incident { started_at: 10 * HOUR, ..narrow };
            // The narrow one is told; that the wide one is part of it cannot be sent at first.
            while !tracker.told.contains_key(&apart.key) {
                now += 5;
                tracker.look(std::slice::from_ref(&apart), now).iter().for_each(|notice| tracker.note(notice));
            }
            assert_eq!(tracker.look(std::slice::from_ref(&apart), now).len(), 1);
            assert_eq!(
                settle(&mut tracker, &mut now, std::slice::from_ref(&apart)),
                [("provider=x".to_owned(), AlertState::Resolved, Some("feature=a".to_owned()))],
                "{is_restarted}"
            );
            assert_eq!(settle(&mut tracker, &mut now, &[apart]), []);
        }
    }

    #[test]
    fn what_is_not_there_for_a_while_is_neither_over_nor_told_twice() {
        let (mut tracker, mut now) = (Tracker::default(), 0);
        let seen = incident(&["feature=a"], 10, 1);
        assert_eq!(settle(&mut tracker, &mut now, std::slice::from_ref(&seen)).len(), 1);
        assert_eq!(settle(&mut tracker, &mut now, &[]), []);
        assert_eq!(settle(&mut tracker, &mut now, &[incident(&["feature=b", "feature=a"], 20, 1)]).len(), 1, "other hours");
        assert_eq!(settle(&mut tracker, &mut now, &[seen]), []);
    }
}
