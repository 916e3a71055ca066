//! A queue's priorities: a topic each, of which the highest that has tasks is received from first.

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::Poll;

use floodway_blocks::topics::{Position, Received, Settlement, Subscription};
use floodway_blocks::{Failure, PortFuture};

/// The highest priority; 0 is the lowest, and that of tasks without one.
pub(super) const PRIORITY_MAX: u8 = 9;
const LANES: u64 = PRIORITY_MAX as u64 + 1;

/// The topic of a queue's tasks of one priority.
pub(super) fn lane(queue: &str, priority: u8) -> Cow<'_, str> {
    if priority == 0 { Cow::Borrowed(queue) } else { Cow::Owned(format!("{queue}#{priority}")) }
}

/// The open lanes of a queue, by priority.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Box<dyn Subscription>>,
}

impl Lanes {
    pub(super) const fn new(lanes: Vec<Box<dyn Subscription>>) -> Self {
        Self { lanes }
    }

    /// From the highest lane that has any. Those of other lanes are not handed out: their futures have not ended.
    async fn next(&mut self, most: usize) -> Result<Vec<Received>, Failure> {
        let lanes = self.lanes.iter_mut().zip(0..LANES);
        let mut waiting: Vec<_> = lanes.map(|(lane, number)| (number, lane.receive(most))).collect();
        waiting.reverse();
        poll_fn(|context| {
            for (lane, receiving) in &mut waiting {
                if let Poll::Ready(received) = receiving.as_mut().poll(context) {
                    return Poll::Ready(received.map(|messages| numbered(messages, *lane)));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Positions tell the lane too: they are unique within one only.
fn numbered(mut messages: Vec<Received>, lane: u64) -> Vec<Received> {
    for Received { position: Position(position), .. } in &mut messages {
        assert!(*position < u64::MAX / LANES, "a log has not so many messages");
        *position = *position * LANES + lane;
    }
    messages
}

impl Subscription for Lanes {
    fn receive(&mut self, most: usize) -> PortFuture<'_, Result<Vec<Received>, Failure>> {
        Box::pin(self.next(most))
    }

    fn settle(
        &self,
        Position(position): Position,
        settlement: Settlement,
    ) -> PortFuture<'_, Result<(), Failure>> {
        let lane = usize::try_from(position % LANES).unwrap_or_default();
        self.lanes[lane].settle(Position(position / LANES), settlement)
    }
}
