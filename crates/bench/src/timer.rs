//! Sleeps with the precision of the kernel's timers. The runtime's own go by whole milliseconds, which
//! at a few thousand requests a second is longer than the answers take.

use std::io;
use std::time::Duration;

use floodway_workload::Time;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe;

use crate::clock::Clock;
use crate::error::LoadError;

/// One timer of the kernel's. To the runtime it is what a pipe is: bytes can be read once it rings.
#[derive(Debug)]
pub(crate) struct Timer {
    rings: pipe::Receiver,
}

impl Timer {
    /// Asks the kernel for a timer.
    pub(crate) fn new() -> Result<Self, LoadError> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)
            .map_err(|errno| LoadError::Timer(errno.into()))?;
        let rings = pipe::Receiver::from_owned_fd_unchecked(fd).map_err(LoadError::Timer)?;
        Ok(Self { rings })
    }

    /// Sleeps until then; not at all if then is past. Cancel safe.
    pub(crate) async fn sleep_until(&self, then: Time, clock: Clock) -> Result<(), LoadError> {
        loop {
            let left = then.since(clock.now());
            if left.is_zero() {
                return Ok(());
            }
            self.arm(left)?;
            self.rings.readable().await.map_err(LoadError::Timer)?;
            match self.rings.try_read(&mut [0; 8]) {
                Ok(_rung) => {}
                Err(early) if early.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(LoadError::Timer(error)),
            }
        }
    }

    fn arm(&self, left: Duration) -> Result<(), LoadError> {
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() },
        };
        timerfd_settime(&self.rings, TimerfdTimerFlags::empty(), &once)
            .map_err(|errno| LoadError::Timer(errno.into()))?;
        Ok(())
    }
}
