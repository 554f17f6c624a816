//! What people have said about the spend of a scope.

use schemas::Bucket;
use schemas::notes::{Feedback, FeedbackKind};

use crate::monitor::{hour_of, hour_start};

/// Is the spend of this hour planned?
pub(super) fn is_planned(all: &[Feedback], scope: &str, hour: u32) -> bool {
    let start = hour_start(hour);
    all.iter().any(|feedback| match feedback.kind {
        FeedbackKind::Planned { from, until } => feedback.scope == scope && from <= start && start < until,
        FeedbackKind::Expected { .. } => false,
    })
}

/// Scopes for which a new normal has begun with this hour or before, and with which.
pub(super) fn new_normals(all: &[Feedback], hour: u32) -> impl Iterator<Item = (&str, u32)> {
    all.iter().filter_map(move |feedback| match feedback.kind {
        FeedbackKind::Expected { from } => {
            let from = hour_of(Bucket::of(from));
            (from <= hour).then_some((feedback.scope.as_str(), from))
        }
        FeedbackKind::Planned { .. } => None,
    })
}
