use proptest::prelude::*;

use super::*;

fn client(from: &str, to: &str) -> Source {
    Source::Client { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

/// A header of version 2: command, family, and what follows the length.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, rest].concat()
}

fn v4(fields: &[u8]) -> Vec<u8> {
    [&[192, 0, 2, 1, 198, 51, 100, 2], &[0x1f, 0x90, 0x01, 0xbb][..], fields].concat()
}

#[test]
fn reads_lines() {
    for (line, source) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.2 8080 443\r\n", client("192.0.2.1:8080", "198.51.100.2:443")),
        ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", client("255.255.255.255:65535", "0.0.0.0:0")),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", client("[2001:db8::1]:1", "[::1]:2")),
        ("PROXY UNKNOWN\r\n", Source::Proxy),
        ("PROXY UNKNOWN ffff:f...f:ffff what ever 65535\r\n", Source::Proxy),
    ] {
        let len = line.len();
        let whole = Ok(Parsed::Whole { source, len });
        assert_eq!(parse(line.as_bytes()), whole, "{line}");
        assert_eq!(parse(format!("{line}GET / HTTP/1.1\r\n").as_bytes()), whole, "{line}");
    }
}

#[test]
fn refuses_lines_that_are_nearly_right() {
    for line in [
        "PROXY \r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN \n\r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n",
        "PROXY TCP4 192.0.2.1\r192.0.2.2 1 2\r\n",
        "PROXY TCP4 \u{ff11}92.0.2.1 192.0.2.2 1 2\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Malformed::Line), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_MAX));
    assert_eq!(parse(long.as_bytes()), Err(Malformed::TooLong));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_MAX - 16));
    assert_eq!(parse(longest.as_bytes()), Ok(Parsed::Whole { source: Source::Proxy, len: LINE_MAX }));
}

#[test]
fn refuses_what_is_no_header() {
    for junk in [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4",
        "\x16\x03\x01",
        "PROXYTCP4",
        "PROXY\r\n",
        "\r\n\r\n\r\n",
        " PROXY ",
    ] {
        assert_eq!(parse(junk.as_bytes()), Err(Malformed::NoHeader), "{junk:?}");
    }
}

#[test]
fn reads_binary_headers() {
    let from_v4 = client("192.0.2.1:8080", "198.51.100.2:443");
    let v6: Vec<u8> = (0..32).chain([0, 1, 0, 2]).collect();
    let from_v6 = client("[1:203:405:607:809:a0b:c0d:e0f]:1", "[1011:1213:1415:1617:1819:1a1b:1c1d:1e1f]:2");
    let fields = [0x01, 0, 2, b'h', b'2', 0x04, 0, 0, 0xe0, 0, 1, 7];
    for (header, source) in [
        (binary(0x21, 0x11, &v4(&[])), from_v4),
        (binary(0x21, 0x11, &v4(&fields)), from_v4),
        (binary(0x21, 0x21, &v6), from_v6),
        (binary(0x21, 0x31, &[0; 216]), Source::Proxy),
        (binary(0x21, 0x00, &[]), Source::Proxy),
        (binary(0x21, 0x00, b"what ever"), Source::Proxy),
        (binary(0x20, 0x00, &[]), Source::Proxy),
        (binary(0x20, 0x11, &v4(&[])), Source::Proxy),
        (binary(0x20, 0x11, b"junk"), Source::Proxy),
        (binary(0x20, 0x22, b"junk"), Source::Proxy),
    ] {
        let whole = Ok(Parsed::Whole { source, len: header.len() });
        assert_eq!(parse(&header), whole);
        assert_eq!(parse(&[&header, &b"\x16\x03\x01"[..]].concat()), whole);
    }
}

#[test]
fn refuses_binary_headers_that_are_nearly_right() {
    for (header, why) in [
        (binary(0x11, 0x11, &v4(&[])), Malformed::Kind),
        (binary(0x31, 0x11, &v4(&[])), Malformed::Kind),
        (binary(0x22, 0x11, &v4(&[])), Malformed::Kind),
        (binary(0x21, 0x12, &v4(&[])), Malformed::Kind),
        (binary(0x21, 0x10, &v4(&[])), Malformed::Kind),
        (binary(0x21, 0x41, &v4(&[])), Malformed::Kind),
        (binary(0x21, 0x11, &v4(&[])[..11]), Malformed::Length),
        (binary(0x21, 0x21, &[0; 35]), Malformed::Length),
        (binary(0x21, 0x31, &[0; 215]), Malformed::Length),
        (binary(0x21, 0x11, &v4(&[1])), Malformed::Length),
        (binary(0x21, 0x11, &v4(&[1, 0, 2, 3])), Malformed::Length),
        (binary(0x21, 0x00, &[0; HEADER_MAX]), Malformed::TooLong),
    ] {
        assert_eq!(parse(&header), Err(why), "{header:02x?}");
    }
    let longest = binary(0x21, 0x00, &[0; HEADER_MAX - FIXED]);
    assert_eq!(parse(&longest), Ok(Parsed::Whole { source: Source::Proxy, len: HEADER_MAX }));
}

/// A length that cannot be right is refused before so much is waited for.
#[test]
fn does_not_wait_for_what_it_would_refuse() {
    let head = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    assert_eq!(parse(&head), Err(Malformed::TooLong));
    let head = [SIGNATURE, &[0x21, 0x11, 0, 11]].concat();
    assert_eq!(parse(&head), Err(Malformed::Length));
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    let line =
        (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<u16>(), any::<u16>()).prop_map(|(from, to, a, b)| {
            format!("PROXY TCP4 {} {} {a} {b}\r\n", Ipv4Addr::from(from), Ipv4Addr::from(to)).into_bytes()
        });
    let long =
        (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u16>(), any::<u16>()).prop_map(|(from, to, a, b)| {
            format!("PROXY TCP6 {} {} {a} {b}\r\n", Ipv6Addr::from(from), Ipv6Addr::from(to)).into_bytes()
        });
    let fields = prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5);
    let binary = (any::<[u8; 36]>(), fields).prop_map(|(addresses, fields)| {
        let mut rest = addresses.to_vec();
        for (kind, value) in fields {
            rest.push(kind);
            rest.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            rest.extend(value);
        }
        binary(0x21, 0x21, &rest)
    });
    prop_oneof![line, long, binary]
}

proptest! {
    /// However it is cut: each beginning is a part, and the whole is read the same whatever follows.
    #[test]
    fn a_header_in_pieces_is_a_header(header in header(), rest in prop::collection::vec(any::<u8>(), 0..20)) {
        for cut in 0..header.len() {
            prop_assert_eq!(parse(&header[..cut]), Ok(Parsed::Part), "{}", cut);
        }
        let whole = parse(&header);
        let is_whole = matches!(whole, Ok(Parsed::Whole { len, .. }) if len == header.len());
        prop_assert!(is_whole, "{:?}", whole);
        prop_assert_eq!(parse(&[header, rest].concat()), whole);
    }

    /// Nothing panics, no length is beyond the bytes, and what was refused stays refused.
    #[test]
    fn junk_is_refused_for_good(
        start in prop_oneof![Just(Vec::new()), Just(SIGNATURE.to_vec()), Just(LINE_START.to_vec()), header()],
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        junk in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = start;
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.extend(junk);
        let mut refused = None;
        for cut in 0..=bytes.len() {
            let parsed = parse(&bytes[..cut]);
            if let Some(why) = refused {
                prop_assert_eq!(parsed, Err(why));
            }
            match parsed {
                Ok(Parsed::Whole { len, .. }) => prop_assert!(len <= cut && len <= HEADER_MAX),
                Ok(Parsed::Part) => prop_assert!(cut < HEADER_MAX),
                Err(why) => refused = Some(why),
            }
        }
    }
}
