//! What a load wrote down: one line per request with the last answer to it.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;

use crate::contract::OrderId;

/// What the journal says was accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The rows that were answered with each order; more than one is an error.
    pub(crate) orders: BTreeMap<OrderId, Vec<u64>>,
    /// Accepted rows whose answer names no order.
    pub(crate) nameless: Vec<u64>,
    /// Rows that were answered, but not accepted.
    pub(crate) refused: u64,
    /// Rows that were never answered: they may have made an order that the audit doesn't know of.
    pub(crate) unanswered: u64,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("a line is not in the form row,status,attempts,latency_us,body")]
pub(crate) struct JournalError(#[from] csv::Error);

#[derive(Deserialize)]
struct Line {
    row: u64,
    status: u16,
    body: String,
}

/// The part of the answer that matters here.
#[derive(Deserialize)]
struct Answer {
    id: OrderId,
}

pub(crate) fn read(journal: impl Read) -> Result<Accepted, JournalError> {
    let mut accepted = Accepted::default();
    for line in csv::Reader::from_reader(journal).deserialize() {
        let Line { row, status, body } = line?;
        match status {
            200..=299 => match serde_json::from_str(&body) {
                Ok(Answer { id }) => accepted.orders.entry(id).or_default().push(row),
                Err(_) => accepted.nameless.push(row),
            },
            0 => accepted.unanswered += 1,
            _ => accepted.refused += 1,
        }
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(lines: &str) -> Result<Accepted, JournalError> {
        read(format!("row,status,attempts,latency_us,body\n{lines}").as_bytes())
    }

    #[test]
    fn sorts_rows_by_their_answers() {
        let id = OrderId::of_key("k");
        let body = format!(r#""{{""id"":""{id}"",""status"":""pending""}}""#);
        let lines = format!(
            "1,201,1,900,{body}\n2,409,1,400,{{}}\n3,0,5,10000,\n4,201,1,900,{body}\n5,201,1,900,<html>\n"
        );
        let accepted = read_text(&lines).unwrap();
        assert_eq!(accepted.orders[&id], [1, 4]);
        assert_eq!(accepted.nameless, [5]);
        assert_eq!((accepted.refused, accepted.unanswered), (1, 1));
    }

    #[test]
    fn reads_bodies_over_several_lines() {
        let id = OrderId::of_key("k");
        let lines = format!("1,201,1,900,\"{{\n \"\"id\"\": \"\"{id}\"\"\n}}\"\n");
        assert_eq!(read_text(&lines).unwrap().orders[&id], [1]);
    }

    #[test]
    fn refuses_a_file_in_another_form() {
        assert!(read_text("one,two\n").is_err());
        assert!(read("customer,amount\n1,2\n".as_bytes()).is_err());
    }
}
