//! Metrics of the partitions, made of their reports.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use schemas::Reason;

use super::figures::{FIGURES, Figure, Kind, Measure, OUTCOMES};
use crate::service::partitions::PartitionReport;

/// Asks for the reports at every scrape.
pub(super) struct PartitionCollector(pub(super) Box<dyn Fn() -> Vec<PartitionReport> + Send + Sync>);

impl std::fmt::Debug for PartitionCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PartitionCollector")
    }
}

/// Whose figure.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    stage: String,
    topic: String,
    partition: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    topic: String,
    partition: i32,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    topic: String,
    partition: i32,
    reason: String,
}

impl Collector for PartitionCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let reports = (self.0)();
        let reports: Vec<Reported<'_>> = reports.iter().map(Reported::new).collect();
        for figure in FIGURES {
            let samples = reports.iter().filter_map(|report| Some((report.labels(), report.figure(figure.source)?)));
            encode_figure(&mut encoder, figure, samples)?;
        }
        let offsets = Figure {
            source: "",
            name: "offsets",
            kind: Kind::Counter,
            measure: None,
            help: "Offsets of the input topic since the first ever read, by how they ended; their sum is the offsets in",
        };
        let outcomes = reports.iter().flat_map(|report| {
            OUTCOMES.iter().filter_map(|outcome| {
                let labels = OutcomeLabels { topic: report.topic(), partition: report.partition(), outcome: (*outcome).to_owned() };
                Some((labels, report.figure(outcome)?))
            })
        });
        encode_figure(&mut encoder, &offsets, outcomes)?;
        let dead_letters = Figure { name: "dead_letters", help: "Dead letters since the start, by their reason", ..offsets };
        let reasons = reports.iter().flat_map(|report| {
            Reason::ALL.iter().filter_map(|reason| {
                let labels = ReasonLabels { topic: report.topic(), partition: report.partition(), reason: reason.code().to_owned() };
                Some((labels, report.dead_letters(*reason)?))
            })
        });
        encode_figure(&mut encoder, &dead_letters, reasons)
    }
}

/// A report as figures with names.
struct Reported<'a> {
    report: &'a PartitionReport,
    own: Vec<(&'static str, f64)>,
}

impl<'a> Reported<'a> {
    fn new(report: &'a PartitionReport) -> Self {
        let mut own = vec![
            ("failed", f64::from(u8::from(report.is_failed().is_some()))),
            ("snapshot_waits", f64::from(u8::from(report.snapshots.trouble.is_some()))),
        ];
        if let Some(status) = &report.status {
            own.extend([("position", status.position as f64), ("in_flight", status.in_flight as f64)]);
            own.extend(status.snapshot_offset.map(|offset| ("snapshot_offset", offset as f64)));
            own.extend(status.lag.map(|lag| ("lag", lag as f64)));
        }
        if let Some(written) = report.snapshots.last {
            own.push(("snapshot_bytes", written.bytes as f64));
            own.push(("snapshot_duration", written.duration.as_secs_f64()));
            own.push(("snapshot_taken_at", written.taken_at.micros() as f64 / 1e6));
        }
        Reported { report, own }
    }

    fn topic(&self) -> String {
        self.report.name.topic.to_string()
    }

    fn partition(&self) -> i32 {
        self.report.name.partition
    }

    fn labels(&self) -> PartitionLabels {
        PartitionLabels { stage: self.report.stage.to_owned(), topic: self.topic(), partition: self.partition() }
    }

    fn figure(&self, source: &str) -> Option<f64> {
        self.figures(source).next()
    }

    /// A reason's code may be an outcome's name too (`conflict`); the outcome comes first.
    fn dead_letters(&self, reason: Reason) -> Option<f64> {
        self.figures(reason.code()).nth(usize::from(OUTCOMES.contains(&reason.code())))
    }

    fn figures(&self, source: &str) -> impl Iterator<Item = f64> {
        let stage = self.report.status.iter().flat_map(|status| &status.gauges);
        self.own.iter().chain(stage).filter(move |(name, _)| *name == source).map(|(_, value)| *value)
    }
}

/// Nothing at all without a sample.
pub(super) fn encode_figure<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    figure: &Figure,
    samples: impl Iterator<Item = (L, f64)>,
) -> Result<(), std::fmt::Error> {
    let mut samples = samples.peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let unit = figure.measure.map(Measure::unit);
    let mut metric = encoder.encode_descriptor(figure.name, figure.help, unit.as_ref(), figure.kind.metric_type())?;
    samples.try_for_each(|(labels, value)| encode_sample(metric.encode_family(&labels)?, figure.kind, value))
}

fn encode_sample(mut sample: MetricEncoder<'_>, kind: Kind, value: f64) -> Result<(), std::fmt::Error> {
    match kind {
        // Whole numbers, exact up to 2^53.
        Kind::Counter => sample.encode_counter::<NoLabelSet, u64, u64>(&(value as u64), None),
        Kind::Gauge => sample.encode_gauge(&value),
    }
}
