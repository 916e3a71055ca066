//! How the subscriptions of services do.

use floodway_api::DeliveryMetrics;
use serde::{Deserialize, Serialize};

/// One subscription of a service, counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionStatus {
    /// The service that subscribes.
    pub service: String,
    /// The topics component.
    pub topics: String,
    /// The topic in it.
    pub topic: String,
    /// Deliveries that were tried.
    pub attempts: u64,
    /// Those of them that were not the first of their message.
    pub redeliveries: u64,
    /// Messages that the service took.
    pub consumed: u64,
    /// Messages that it did not take, and that are over without a dead letter.
    pub dropped: u64,
    /// Messages that went to the dead-letter topic.
    pub dead_letters: u64,
    /// Messages that are being delivered, or wait for another attempt.
    pub in_flight: u64,
    /// Seconds since the oldest message was published that is in flight; 0 without one.
    pub oldest_s: f64,
}

impl From<DeliveryMetrics> for SubscriptionStatus {
    fn from(metrics: DeliveryMetrics) -> Self {
        let DeliveryMetrics {
            app,
            topics,
            topic,
            attempts,
            redeliveries,
            consumed,
            dropped,
            dead_letters,
            in_flight,
            oldest,
        } = metrics;
        let oldest_s = oldest.unwrap_or_default().as_secs_f64();
        Self {
            service: app,
            topics,
            topic,
            attempts,
            redeliveries,
            consumed,
            dropped,
            dead_letters,
            in_flight,
            oldest_s,
        }
    }
}
