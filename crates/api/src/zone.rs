//! Time zones by name, from the system's database, or the one built in where it has none.

use floodway_policy::calendar::{Moment, Utc, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A zone of the tz database.
#[derive(Debug)]
struct Named(TimeZone);

impl Zone for Named {
    fn offset(&self, at: Moment) -> i32 {
        // Beyond what can be counted no zone is known.
        Timestamp::from_millisecond(at.0).map_or(0, |at| self.0.to_offset(at).seconds())
    }
}

/// The zone of that name; UTC for none. `None` where there is no such zone.
pub(crate) fn zone(name: Option<&str>) -> Option<Box<dyn Zone>> {
    let Some(name) = name else { return Some(Box::new(Utc)) };
    let named = TimeZone::get(name).ok()?;
    Some(Box::new(Named(named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_zones_and_when_their_clocks_change() {
        let rome = zone(Some("Europe/Rome")).expect("a zone");
        // 2026-03-29T00:59:59Z and a second later.
        let change = 1_774_746_000;
        assert_eq!(rome.offset(Moment::at_second(change - 1)), 3600);
        assert_eq!(rome.offset(Moment::at_second(change)), 7200);
        assert_eq!(zone(None).expect("UTC").offset(Moment(0)), 0);
        assert!(zone(Some("Not/AZone")).is_none());
    }
}
