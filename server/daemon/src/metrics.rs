//! Numbers about the server itself, in the `OpenMetrics` format.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::app::presence::Presence;

/// Seconds; from an answer out of memory to one that somebody waits for.
const BUCKETS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The server's numbers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Numbers>);

struct Numbers {
    registry: Registry,
    requests: Family<Answer, Counter>,
    times: Histogram,
    connected: Gauge,
    presence: Presence,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    /// The pattern, not the path: there are as many paths as devices.
    route: String,
    status: u16,
}

/// A method as it is counted. Any word is one in HTTP, and each that is counted is kept for good.
fn known(method: &str) -> &'static str {
    const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("other")
}

impl Metrics {
    /// All at zero; `presence` says how many devices are connected.
    pub(crate) fn new(presence: Presence) -> Self {
        let mut registry = Registry::with_prefix("muster");
        let requests = Family::default();
        let times = Histogram::new(BUCKETS);
        let connected = Gauge::default();
        registry.register("http_requests", "Requests of admins answered", requests.clone());
        registry.register("http_request_seconds", "Time to the head of an answer to an admin", times.clone());
        registry.register("devices_connected", "Devices whose link is up", connected.clone());
        Self(Arc::new(Numbers { registry, requests, times, connected, presence }))
    }

    /// A request of an admin was answered.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let answer = Answer { method: known(method), route: route.to_owned(), status };
        self.0.requests.get_or_create(&answer).inc();
        self.0.times.observe(took.as_secs_f64());
    }

    /// All of them as text.
    pub(crate) fn text(&self) -> String {
        self.0.connected.set(i64::try_from(self.0.presence.connected()).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("writing to a String can't fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_calls_a_method_is_not_kept() {
        let metrics = Metrics::new(Presence::default());
        metrics.answered("M0001", "none", 405, Duration::ZERO);
        metrics.answered("M0002", "none", 405, Duration::ZERO);
        let text = metrics.text();
        assert!(text.contains("method=\"other\"") && !text.contains("M000"), "{text}");
    }
}
