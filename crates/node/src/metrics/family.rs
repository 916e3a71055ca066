//! The families, each with its name, type and meaning.

/// A family of samples that differ by their labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    BuildInfo,
    Uptime,
    Connections,
    ConnectionsOpen,
    ConnectionsRefused,
    TelemetryDropped,
    CacheBytes,
    CacheRequests,
    CacheStale,
    Requests,
    RequestsInFlight,
    RequestDuration,
    Fallbacks,
    Refusals,
    Attempts,
    Retries,
    Hedges,
    Failures,
    ServiceConnections,
    Ejections,
    Calls,
    ResponseDuration,
    ReplicaReady,
    ReplicaRestarts,
    ReplicaInFlight,
    ReplicaIdleConnections,
    Replicas,
    DeliveryAttempts,
    Redeliveries,
    DeliveriesInFlight,
    Messages,
    OldestMessage,
    ProcessCpu,
    ProcessMemory,
    ProcessDescriptors,
    ProcessStart,
}

/// How the samples of a family are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Family {
    /// Name, type and meaning.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(super) const fn describe(self) -> (&'static str, Kind, &'static str) {
        use Kind::{Counter, Gauge, Histogram};
        match self {
            Self::BuildInfo => ("floodway_build_info", Gauge, "Always 1; its labels say what runs."),
            Self::Uptime => ("floodway_uptime_seconds", Gauge, "Time since the node was started."),
            Self::Connections => {
                ("floodway_connections_total", Counter, "Client connections that were taken.")
            }
            Self::ConnectionsOpen => {
                ("floodway_connections_open", Gauge, "Client connections that are open.")
            }
            Self::ConnectionsRefused => (
                "floodway_connections_refused_total",
                Counter,
                "Client connections that were closed at once, as there were as many as there may be.",
            ),
            Self::TelemetryDropped => (
                "floodway_telemetry_dropped_total",
                Counter,
                "Log lines and spans that were dropped, as the thread that writes them was behind.",
            ),
            Self::CacheBytes => ("floodway_cache_bytes", Gauge, "Bytes that the HTTP cache holds."),
            Self::CacheRequests => (
                "floodway_cache_requests_total",
                Counter,
                "Requests on routes with a cache, by what became of them: answered from the store (`hit`), by what another brought that they waited for (`collapsed`), or sent on (`forwarded`).",
            ),
            Self::CacheStale => (
                "floodway_cache_stale_total",
                Counter,
                "Requests that were sent on, and that a stale response answered, as the service failed.",
            ),
            Self::Requests => (
                "floodway_requests_total",
                Counter,
                "Requests that are over, by the class of their answer; `none` where the client left before it.",
            ),
            Self::RequestsInFlight => {
                ("floodway_requests_in_flight", Gauge, "Requests that are being answered.")
            }
            Self::RequestDuration => (
                "floodway_request_duration_seconds",
                Histogram,
                "Time from the end of a request's head to the end of its answer.",
            ),
            Self::Fallbacks => {
                ("floodway_fallbacks_total", Counter, "Requests that a fallback answered, by what stood in.")
            }
            Self::Refusals => (
                "floodway_refusals_total",
                Counter,
                "Answers that the gateway gave itself, by the code in them.",
            ),
            Self::Attempts => (
                "floodway_service_attempts_total",
                Counter,
                "Requests sent to a service, each time they were, from clients and from other services.",
            ),
            Self::Retries => {
                ("floodway_service_retries_total", Counter, "Attempts after one that brought nothing.")
            }
            Self::Hedges => ("floodway_service_hedges_total", Counter, "Attempts beside one that was late."),
            Self::Failures => (
                "floodway_service_failures_total",
                Counter,
                "Attempts that brought no answer, by the reason.",
            ),
            Self::Ejections => (
                "floodway_service_ejections_total",
                Counter,
                "Replicas that a worker left out for what their requests came to.",
            ),
            Self::ServiceConnections => {
                ("floodway_service_connections_total", Counter, "Connections that were made to a service.")
            }
            Self::Calls => (
                "floodway_service_calls_total",
                Counter,
                "Calls from inside the node: invocations and deliveries, by the class of their answer.",
            ),
            Self::ResponseDuration => (
                "floodway_service_response_duration_seconds",
                Histogram,
                "Time from a request's begin to the head of the service's answer, retries included.",
            ),
            Self::ReplicaReady => {
                ("floodway_replica_ready", Gauge, "1 while a replica takes requests, else 0.")
            }
            Self::ReplicaRestarts => {
                ("floodway_replica_restarts_total", Counter, "How often a replica was started again.")
            }
            Self::ReplicaInFlight => {
                ("floodway_replica_requests_in_flight", Gauge, "Requests under way on a replica.")
            }
            Self::ReplicaIdleConnections => (
                "floodway_replica_idle_connections",
                Gauge,
                "Connections to a replica that wait in the pools for a request.",
            ),
            Self::Replicas => ("floodway_replicas", Gauge, "Replicas of a service by state."),
            Self::DeliveryAttempts => {
                ("floodway_subscription_attempts_total", Counter, "Deliveries of messages that were tried.")
            }
            Self::Redeliveries => (
                "floodway_subscription_redeliveries_total",
                Counter,
                "Deliveries that were not the first of their message.",
            ),
            Self::DeliveriesInFlight => (
                "floodway_subscription_in_flight",
                Gauge,
                "Messages that are being delivered, or wait for another attempt.",
            ),
            Self::Messages => (
                "floodway_subscription_messages_total",
                Counter,
                "Messages that are over, by what became of them.",
            ),
            Self::OldestMessage => (
                "floodway_subscription_oldest_message_seconds",
                Gauge,
                "Age of the oldest message in flight; 0 without one.",
            ),
            Self::ProcessCpu => {
                ("process_cpu_seconds_total", Counter, "User and system time that the node itself has spent.")
            }
            Self::ProcessMemory => {
                ("process_resident_memory_bytes", Gauge, "Memory that the node itself has.")
            }
            Self::ProcessDescriptors => {
                ("process_open_fds", Gauge, "File descriptors that the node has open.")
            }
            Self::ProcessStart => {
                ("process_start_time_seconds", Gauge, "When the node was started, in seconds since 1970.")
            }
        }
    }
}
