//! Metrics: a histogram of request durations by method, route and status, kept in this process.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

/// The upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0];

/// The labels of a duration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    pub(crate) method: String,
    pub(crate) route: String,
    pub(crate) status: u16,
}

/// The histogram of request durations.
pub(crate) struct Metrics {
    registry: Registry,
    durations: Family<Labels, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let durations = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut registry = Registry::with_prefix("crm");
        let help = "Request durations by method, route and status";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        Self { registry, durations }
    }
}

impl Metrics {
    /// Records the duration of a request.
    pub(crate) fn record(&self, labels: &Labels, took: Duration) {
        self.durations.get_or_create(labels).observe(took.as_secs_f64());
    }

    /// Returns the metrics in the Prometheus text format.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry);
        text
    }
}
