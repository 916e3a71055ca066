//! Reads where the replicas of a service are, and what each is worth.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use floodway_policy::balance::Balance;
use floodway_policy::{Weight, ZoneId};

use super::Reader;
use crate::code::Code;
use crate::mistake::Mistake;
use crate::value::{Fields, Kind, Value};

/// The balances that look at weights.
const WEIGHED: [Balance; 4] =
    [Balance::Weighted, Balance::LeastRequests, Balance::PowerOfTwo, Balance::PeakEwma];

/// The names of all zones of a file, in its order.
pub(super) fn zones(file: &Fields) -> Vec<String> {
    let own = file.object("node").and_then(|node| node.get("zone")).and_then(Value::text);
    let services = file.objects("services").flat_map(|(_, service)| at(service));
    let others = services.filter_map(|(_, at)| at.get("zone").and_then(Value::text));
    let mut zones = Vec::new();
    for zone in own.into_iter().chain(others) {
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    zones
}

/// The addresses of a service that are known.
fn at(service: &Fields) -> impl Iterator<Item = (SocketAddr, &Fields)> {
    service.list("at").iter().filter_map(|item| match &item.kind {
        Kind::Fields(fields) => Some((fields.get("address")?.address()?, fields)),
        _ => None,
    })
}

impl Reader<'_> {
    pub(super) fn addresses(&mut self, fields: &Fields) -> Vec<SocketAddr> {
        if let Some(value) = fields.get("at").filter(|value| value.is_empty_list()) {
            let mistake = Mistake::at(value.span, Code::OutOfRange, "a service needs at least one address");
            self.mistake(mistake.expected("expected addresses such as `10.0.0.4:8080`"));
        }
        let mut seen = BTreeSet::new();
        for (address, at) in at(fields) {
            let span = at.get("address").map_or(at.span, |value| value.span);
            if address.port() == 0 || address.ip().is_unspecified() {
                let message = format!("nothing can be sent to `{address}`");
                let help = "name the IP address and the port where the service listens";
                self.mistake(Mistake::at(span, Code::BadAddress, message).help(help));
            } else if !seen.insert(address) {
                let message = format!("the address `{address}` stands here twice");
                self.mistake(Mistake::at(span, Code::AddressTwice, message).help("remove one of the two"));
            }
        }
        at(fields).map(|(address, _)| address).collect()
    }

    pub(super) fn backups(&mut self, fields: &Fields, endpoints: usize) -> u16 {
        let backups: u16 = fields.whole("backups");
        let source = if fields.given("at").is_some() { "at" } else { "replicas" };
        let is_count_known = fields.get(source).is_some_and(Value::is_known);
        if let Some(span) = fields.given("backups").filter(|_| is_count_known)
            && usize::from(backups) >= endpoints
        {
            let message =
                format!("{} of {}", counted(usize::from(backups), "backup"), counted(endpoints, "replica"));
            let help = "leave at least one that is not a backup";
            self.mistake(Mistake::at(span, Code::KeysDisagree, message).help(help));
        }
        backups
    }

    pub(super) fn weights(
        &mut self,
        fields: &Fields,
        balance: Option<Balance>,
        endpoints: usize,
    ) -> Vec<Weight> {
        let single = at(fields).find_map(|(_, at)| at.given("weight"));
        let Some(span) = fields.given("weights").or(single) else { return vec![Weight::ONE; endpoints] };
        if balance.is_some_and(|balance| !WEIGHED.contains(&balance)) {
            let names: Vec<_> = WEIGHED.iter().map(|balance| format!("`{balance}`")).collect();
            let message = format!("weights count only with a `balance` of {}", names.join(", "));
            let mistake = Mistake::at(span, Code::KeysDisagree, message);
            self.mistake(mistake.help("add `balance: weighted`, or remove the weights"));
        }
        let (Some(_), single) = (fields.given("weights"), single) else {
            return at(fields).map(|(_, at)| at.get("weight").map_or(Weight::ONE, weight)).collect();
        };
        if let Some(span) = single {
            let mistake = Mistake::at(span, Code::KeysDisagree, "`weight` and `weights` exclude each other");
            self.mistake(mistake.help("keep one of the two"));
        }
        let weights = fields.list("weights");
        let source = if fields.given("at").is_some() { "at" } else { "replicas" };
        let is_count_known = fields.get(source).is_some_and(Value::is_known);
        if let Some(value) = fields.get("weights").filter(|value| value.is_known() && is_count_known)
            && weights.len() != endpoints
        {
            let message =
                format!("{} for {}", counted(weights.len(), "weight"), counted(endpoints, "replica"));
            let mistake = Mistake::at(value.span, Code::WeightsCount, message);
            self.mistake(mistake.expected(format!("expected {}", counted(endpoints, "weight"))));
        }
        weights.iter().map(weight).collect()
    }

    /// Where each of them is. What the node starts is where the node is.
    pub(super) fn zones_of(
        &self,
        service: &Fields,
        endpoints: usize,
        own: Option<ZoneId>,
    ) -> Vec<Option<ZoneId>> {
        if service.given("at").is_none() {
            return vec![own; endpoints];
        }
        at(service).map(|(_, at)| self.zone(at)).collect()
    }

    /// What a `zone` names.
    pub(super) fn zone(&self, fields: &Fields) -> Option<ZoneId> {
        let name = fields.get("zone")?.text()?;
        let place = self.zones.iter().position(|zone| *zone == name)?;
        u16::try_from(place).ok().map(ZoneId)
    }
}

/// What is not known is harmless as 1.
fn weight(value: &Value) -> Weight {
    u32::try_from(value.integer().unwrap_or(1)).ok().and_then(Weight::new).unwrap_or(Weight::ONE)
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}
