//! The shape of what services reach outside of the system.

use super::super::Object;
use super::ENGINE;

pub(super) static SECRETS: Object = Object {
    name: "secrets component",
    doc: "Texts that services read and nobody prints.",
    fields: &[ENGINE],
};

pub(super) static BINDING: Object = Object {
    name: "binding",
    doc: "Something outside that services ask (`http`), or that tells them (`cron`).",
    fields: &[ENGINE],
};

pub(super) static CONFIGURATION: Object = Object {
    name: "configuration component",
    doc: "Values that change while services run; who subscribes is told.",
    fields: &[ENGINE],
};
