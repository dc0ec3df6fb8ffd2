//! What the server counts, as Prometheus reads it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What Prometheus asks a text of metrics to be called.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a request ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Ended {
    pub status: u16,
}

/// Counters, and the names that they have outside.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub requests: Family<Ended, Counter>,
    /// Of requests for predictions, from the first byte of the body to the answer.
    pub seconds: Histogram,
    pub connections: Gauge,
    pub queued_images: Gauge,
    pub batch_images: Histogram,
    pub model_seconds: Histogram,
    pub busy_seconds: Counter<f64, AtomicU64>,
}

impl Metrics {
    pub fn new() -> Metrics {
        let seconds = || Histogram::new(exponential_buckets(1e-4, 2.0, 16));
        let metrics = Metrics {
            registry: Registry::with_prefix("serve"),
            requests: Family::default(),
            seconds: seconds(),
            connections: Gauge::default(),
            queued_images: Gauge::default(),
            batch_images: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            model_seconds: seconds(),
            busy_seconds: Counter::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Metrics {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by the status of their answer", self.requests.clone());
        registry.register("request_seconds", "From request to answer, of predictions", self.seconds.clone());
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register("queued_images", "Images that wait for the model", self.queued_images.clone());
        registry.register("batch_images", "Images in a call of the model", self.batch_images.clone());
        registry.register("model_seconds", "A call of the model", self.model_seconds.clone());
        registry.register("busy_seconds", "All calls of the model together", self.busy_seconds.clone());
        self
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}
