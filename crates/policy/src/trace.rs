//! Trace context (W3C Trace Context, level 1) on its way through a hop, and which requests are recorded.

use crate::rng::Rng;

/// What a `traceparent` header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Names the whole trace; never 0.
    pub trace_id: u128,
    /// Names the sender's part of it; never 0.
    pub span_id: u64,
    /// Whether the sender records.
    pub is_sampled: bool,
}

/// A share of all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share(u32);

/// What a hop does with a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// What the next hop is told.
    pub told: TraceContext,
    /// What came in, where that can be read.
    pub parent: Option<TraceContext>,
    /// Whether this hop records a span, which `told` names.
    pub is_recorded: bool,
}

/// Bytes of a `traceparent` of version 00.
pub const TRACEPARENT_LEN: usize = 55;

// === impl Share ===

impl Share {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(Self::PER_MILLION);
    const PER_MILLION: u32 = 1_000_000;

    /// So many of a million; more than all is all.
    pub const fn per_million(count: u32) -> Self {
        Self(if count < Self::PER_MILLION { count } else { Self::PER_MILLION })
    }

    /// Whether the next one is among them.
    pub fn draw(self, rng: &mut Rng) -> bool {
        match self {
            Self::NONE => false,
            Self::ALL => true,
            Self(count) => rng.below(Self::PER_MILLION) < count,
        }
    }
}

// === impl TraceContext ===

impl TraceContext {
    /// Reads the value of a `traceparent` (§3.2); `None` where it is invalid, as if it had not been sent. A later
    /// version is read as far as this one goes (§4.3).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(TRACEPARENT_LEN)?;
        let (version, trace_id) = (hex(&known[..2])?, hex(&known[3..35])?);
        let (span_id, flags) = (hex(&known[36..52])?, hex(&known[53..])?);
        let has_dashes = [2, 35, 52].iter().all(|place| known[*place] == b'-');
        let is_whole = if version == 0 { rest.is_empty() } else { matches!(rest.first(), None | Some(b'-')) };
        let is_valid = has_dashes && is_whole && version != 0xff && trace_id != 0 && span_id != 0;
        let context = Self { trace_id, span_id: u64::try_from(span_id).ok()?, is_sampled: flags & 1 == 1 };
        is_valid.then_some(context)
    }

    /// As a `traceparent` of version 00.
    pub fn text(&self) -> [u8; TRACEPARENT_LEN] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut text[3..35], self.trace_id);
        write_hex(&mut text[36..52], u128::from(self.span_id));
        write_hex(&mut text[53..], u128::from(self.is_sampled));
        text
    }
}

// === impl Hop ===

impl Hop {
    /// Decides for a request with this context. Who is believed has its request recorded where it says that it
    /// records its own; anybody else could have all of them recorded by saying so. What is not recorded is passed
    /// on as it came, so that the next hop's span hangs on one that there is.
    pub fn new(parent: Option<TraceContext>, is_believed: bool, share: Share, rng: &mut Rng) -> Self {
        let asks = is_believed && parent.is_some_and(|parent| parent.is_sampled);
        let is_recorded = asks || share.draw(rng);
        let told = match parent {
            Some(parent) if !is_recorded => parent,
            parent => TraceContext {
                trace_id: parent.map_or_else(|| new_trace_id(rng), |parent| parent.trace_id),
                span_id: rng.next_u64().max(1),
                is_sampled: is_recorded,
            },
        };
        Self { told, parent, is_recorded }
    }
}

fn new_trace_id(rng: &mut Rng) -> u128 {
    let (high, low) = (u128::from(rng.next_u64()), u128::from(rng.next_u64()));
    (high << 64 | low).max(1)
}

/// Lower case only (§3.2.2).
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

fn write_hex(out: &mut [u8], mut number: u128) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Hop, Share, TraceContext};
    use crate::rng::Rng;

    const TEXT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_the_example_of_the_standard() {
        let context = TraceContext::parse(TEXT).expect("it is valid");
        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((context.span_id, context.is_sampled), (0x00f0_67aa_0ba9_02b7, true));
        assert_eq!(context.text(), TEXT);
    }

    #[test]
    fn takes_no_invalid_one() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text}");
        }
        assert!(TraceContext::parse(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x").is_some());
    }

    #[test]
    fn passes_on_what_it_does_not_record() {
        let parent = TraceContext::parse(TEXT);
        let rng = &mut Rng::new(1);
        let stranger = Hop::new(parent, false, Share::NONE, rng);
        assert_eq!((Some(stranger.told), stranger.is_recorded), (parent, false));
        let believed = Hop::new(parent, true, Share::NONE, rng);
        assert!(believed.is_recorded && believed.told.is_sampled);
        assert_eq!(Some(believed.told.trace_id), parent.map(|parent| parent.trace_id));
        assert_ne!(Some(believed.told.span_id), parent.map(|parent| parent.span_id));
        let fresh = Hop::new(None, true, Share::NONE, rng);
        assert!(!fresh.is_recorded && !fresh.told.is_sampled);
    }

    #[test]
    fn draws_about_its_share() {
        let mut rng = Rng::new(2);
        let drawn = (0..100_000).filter(|_| Share::per_million(10_000).draw(&mut rng)).count();
        assert!((900..1100).contains(&drawn), "{drawn}");
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(trace_id in 1_u128.., span_id in 1_u64.., is_sampled: bool) {
            let context = TraceContext { trace_id, span_id, is_sampled };
            prop_assert_eq!(TraceContext::parse(&context.text()), Some(context));
        }

        #[test]
        fn never_fails_on_any_bytes(text: std::vec::Vec<u8>) {
            TraceContext::parse(&text);
        }
    }
}
