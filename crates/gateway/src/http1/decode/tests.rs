use bytes::{Buf as _, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Feeds the text in pieces of this size; the data, and what follows the body.
fn decode(framing: Framing, text: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let mut body = Decoder::new(framing);
    let (mut bytes, mut data) = (BytesMut::new(), Vec::new());
    let mut pieces = text.chunks(piece);
    loop {
        match body.next(&mut bytes)? {
            Next::Data(len) => {
                data.extend_from_slice(&bytes[..len]);
                bytes.advance(len);
                body.used(len);
            }
            Next::More => match pieces.next() {
                Some(piece) => bytes.extend_from_slice(piece),
                None => return Ok((data, b"...".to_vec())),
            },
            Next::End => {
                let rest = [&bytes[..], &pieces.flatten().copied().collect::<Vec<_>>()].concat();
                return Ok((data, rest));
            }
        }
    }
}

#[test]
fn chunks_are_joined_and_what_follows_is_left() {
    let text = b"5;a=b\r\nhello\r\n0A\r\n, wide wor\r\n2\r\nld\r\n0\r\nX-Sum: 1\r\n\r\nGET /";
    for piece in [1, 2, 3, 7, 100] {
        let (data, rest) = decode(Framing::Chunked, text, piece).expect("well formed");
        assert_eq!((&data[..], &rest[..]), (&b"hello, wide world"[..], &b"GET /"[..]), "{piece}");
    }
}

#[test]
fn a_length_is_exact() {
    let (data, rest) = decode(Framing::Length(3), b"abcdef", 2).expect("well formed");
    assert_eq!((&data[..], &rest[..]), (&b"abc"[..], &b"def"[..]));
}

#[test]
fn chunks_that_can_be_read_in_two_ways_are_refused() {
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(300));
    let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(3_000));
    for bad in [
        "5\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "11111111111111111\r\nhello",
        "5;a\x00\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "0\r\n folded: 5\r\n\r\n",
        "0\r\nX: 5\n\r\n",
        "5\r\nhello\r\n0\r\n\rX",
        "8000000000000000\r\nhello",
        &long,
        &trailers,
    ] {
        assert!(decode(Framing::Chunked, bad.as_bytes(), 1_000_000).is_err(), "{bad:?}");
    }
}

proptest! {
    /// However a body is cut into chunks and these into reads, the same data comes out.
    #[test]
    fn cutting_changes_nothing(chunks in vec(vec(any::<u8>(), 1..200), 0..8), piece in 1_usize..64) {
        let mut text = Vec::new();
        for chunk in &chunks {
            text.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\n\r\n");
        let (data, rest) = decode(Framing::Chunked, &text, piece).expect("well formed");
        prop_assert_eq!(data, chunks.concat());
        prop_assert!(rest.is_empty());
    }

    /// No bytes make it panic or hand out more than there is.
    #[test]
    fn junk_is_refused_or_read(text in vec(any::<u8>(), 0..400), piece in 1_usize..64) {
        if let Ok((data, _)) = decode(Framing::Chunked, &text, piece) {
            prop_assert!(data.len() <= text.len());
        }
    }
}
