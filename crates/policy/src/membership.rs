//! Who is there: an immutable picture of all endpoints, made by the node and handed to every worker.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

/// A service by its place in [`crate::Snapshot::services`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u16);

/// One incarnation of one replica. A replica that is started again keeps its slot and gets the next
/// incarnation, so nothing counted for the dead process is held against the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId {
    /// The service it belongs to.
    pub service: ServiceId,
    /// The replica's number in its service, from 0.
    pub slot: u16,
    /// How often the replica was started before.
    pub incarnation: u32,
}

/// Where an endpoint or a node is, by a number that is the same for the same zone of one system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub u16);

/// A share of the load in relation to the other endpoints of the service; at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// An equal share.
    pub const ONE: Self = Self(1);
    /// The largest weight there is.
    pub const MAX: u32 = 1_000_000;

    /// `None` unless 1 ≤ `weight` ≤ [`Weight::MAX`].
    pub const fn new(weight: u32) -> Option<Self> {
        if weight >= 1 && weight <= Self::MAX { Some(Self(weight)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Whether an endpoint takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// Started, never healthy yet.
    Starting,
    /// Healthy: the only state that takes new requests.
    Ready,
    /// Was or should be healthy and is not.
    Unhealthy,
    /// Finishes what it has; takes nothing new.
    Draining,
    /// Its process is gone and not started again yet.
    Dead,
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Dead => "dead",
        })
    }
}

/// One endpoint as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Names it.
    pub id: EndpointId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share under a weighted balance.
    pub weight: Weight,
    /// Whether it takes requests.
    pub state: EndpointState,
    /// It gets requests only while no other endpoint of its service takes any.
    pub is_backup: bool,
    /// Where it is, if that is known.
    pub zone: Option<ZoneId>,
}

/// All endpoints of all services, by [`ServiceId`]. Each newer picture replaces the older one whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// The members of each service.
    pub services: Vec<Vec<Member>>,
}
