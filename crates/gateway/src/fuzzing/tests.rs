use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What heads are made of, right and wrong.
const PARTS: [&[u8]; 44] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"/ ",
    b"/a?b ",
    b"http://b/ ",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 204 ",
    b"GET / HTTP/1.1\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"\x7f",
    b"\xff",
    b"Host: a\r\n",
    b"Host: b\r\n",
    b"host:\t a \r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"content-length:3",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"TRANSFER-ENCODING:CHUNKED",
    b"Transfer-Encoding",
    b"Connection: close\r\n",
    b"Connection: x, upgrade\r\n",
    b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"X: y\r\n",
    b"X",
    b"y",
    b"chunked",
    b"18446744073709551615",
    b", ",
    b"abc",
];

/// What bodies in chunks are made of, right and wrong.
const CHUNKS: [&[u8]; 22] = [
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"\r\n",
    b"1\r\n",
    b"a",
    b"A\r\n0123456789\r\n",
    b"3;x=y\r\nabc\r\n",
    b"0;z\r\n",
    b";",
    b"\n",
    b"\r",
    b" ",
    b"0",
    b"ffffffffffffffff\r\n",
    b"0000000000000001\r\nx\r\n",
    b"X: y\r\n",
    b"Content-Length: 3\r\n",
    b"g",
    b"\0",
    b"00\r\n",
    b"abc",
];

/// What headers of the PROXY protocol are made of, right and wrong.
const PROXY: [&[u8]; 15] = [
    b"PROXY ",
    b"TCP4 ",
    b"TCP6 ",
    b"UNKNOWN",
    b"192.0.2.1 ",
    b"::1 ",
    b"80 ",
    b"443\r\n",
    b"\r\n",
    b"\n",
    b" ",
    b"0",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x21\x11\0\x0c",
    b"\x20\0\0\0",
];

fn mixed(parts: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![9 => select(parts).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 1..4)];
    vec(part, 0..16).prop_map(|parts| parts.concat())
}

/// Something right with one thing wrong: bytes put in, taken out or written over.
fn hurt(right: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![select(&PARTS[..]).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..3)];
    (0..right.len(), 0..4_usize, odd).prop_map(|(at, taken, odd)| {
        let rest = right.get(at + taken..).unwrap_or_default();
        [&right[..at], &odd, rest].concat()
    })
}

const REQUEST: &[u8] =
    b"POST /a?b=c HTTP/1.1\r\nHost: shop\r\nX-Y: z\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabcGET";
const CHUNKED: &[u8] =
    b"PUT http://b/a HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n3\r\nabc";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=b\r\n\r\nabc";
const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\nGET";
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x01\xc0\0\x02\x02\x03\xe8\x01\xbb\x04\0\0GET";
const BODY: &[u8] = b"5;a=b\r\nhello\r\n0A\r\n, wide wor\r\n2\r\nld\r\n0\r\nX-Sum: 1\r\n\r\nGET /";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_request_head_has_one_reading(bytes in prop_oneof![mixed(&PARTS), hurt(REQUEST), hurt(CHUNKED)]) {
        super::request_head(&bytes);
    }

    #[test]
    fn an_answers_head_has_one_reading(
        bytes in prop_oneof![mixed(&PARTS), hurt(RESPONSE)],
        to_head in any::<bool>(),
    ) {
        super::response_head(&bytes, to_head);
    }

    #[test]
    fn a_proxy_header_has_one_reading(bytes in prop_oneof![mixed(&PROXY), hurt(LINE), hurt(BINARY)]) {
        super::proxy_header(&bytes);
    }

    #[test]
    fn chunks_have_one_reading(bytes in prop_oneof![mixed(&CHUNKS), hurt(BODY)], piece_len in 1..20_usize) {
        super::chunks(&bytes, piece_len);
    }
}

/// The mixtures would prove nothing if nothing of them were taken.
#[test]
fn what_is_right_is_taken() {
    use crate::http1::{parse_request, parse_response};
    for request in [REQUEST, CHUNKED] {
        assert!(parse_request(request, 100, &mut Vec::new()).expect("well formed").is_some());
    }
    assert!(parse_response(RESPONSE, false, 100, &mut Vec::new()).expect("well formed").is_some());
    let (data, len) = super::decode(BODY, 7).expect("well formed").expect("whole");
    assert_eq!((&data[..], len), (&b"hello, wide world"[..], BODY.len() - 5));
}
