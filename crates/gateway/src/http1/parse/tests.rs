use super::*;

fn request(text: &str) -> Result<Option<(RequestHead, Vec<Field>)>, Malformed> {
    let mut fields = Vec::new();
    Ok(parse_request(text.as_bytes(), 100, &mut fields)?.map(|head| (head, fields)))
}

fn response(text: &str, to_head: bool) -> Result<Option<ResponseHead>, Malformed> {
    parse_response(text.as_bytes(), to_head, 100, &mut Vec::new())
}

#[test]
fn a_request_is_where_it_says() {
    let text = "POST /a?b=c HTTP/1.1\r\nHost:  shop \r\nX-Y:\t1\r\nContent-Length: 5\r\n\r\nhello";
    let (head, fields) = request(text).expect("well formed").expect("whole");
    let bytes = text.as_bytes();
    assert_eq!((head.method.of(bytes), head.target.path_and_query.of(bytes)), (&b"POST"[..], &b"/a?b=c"[..]));
    assert_eq!(head.host.map(|host| host.of(bytes)), Some(&b"shop"[..]));
    assert_eq!((head.framing, &bytes[head.len..]), (Framing::Length(5), &b"hello"[..]));
    assert_eq!(fields[1].name.of(bytes), b"X-Y");
    assert_eq!((fields[1].value.of(bytes), fields[1].line.of(bytes)), (&b"1"[..], &b"X-Y:\t1\r\n"[..]));
}

#[test]
fn a_part_of_a_request_is_no_request_and_no_mistake() {
    let text = "\r\nGET http://shop.example/a HTTP/1.1\r\nHost: a\r\nConnection: close, X-Z\r\n\r\n";
    for len in 0..text.len() {
        let part = text.get(..len).expect("ASCII");
        assert!(matches!(request(part), Ok(None)), "{len}");
    }
    let (head, _) = request(text).expect("well formed").expect("whole");
    assert_eq!(head.target.authority.map(|host| host.of(text.as_bytes())), Some(&b"shop.example"[..]));
    assert!(head.wants_close && head.has_options);
}

#[test]
fn what_a_connection_does_next_depends_on_version_and_header() {
    let wants_close = |text: &str| request(text).expect("well formed").expect("whole").0.wants_close;
    assert!(!wants_close("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(wants_close("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n"));
    assert!(wants_close("GET / HTTP/1.0\r\n\r\n"));
    assert!(!wants_close("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

#[test]
fn an_upgrade_needs_both_headers_and_is_never_to_http_2() {
    let upgrades = |headers: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        request(&text).expect("well formed").expect("whole").0.upgrade
    };
    assert!(upgrades("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    assert!(!upgrades("Upgrade: websocket\r\n"));
    assert!(!upgrades("Connection: Upgrade\r\n"));
    assert!(!upgrades("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"));
}

#[test]
fn the_end_of_an_answer_is_told_by_status_before_headers() {
    let framing = |text: &str, to_head| response(text, to_head).expect("well formed").expect("whole").framing;
    assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false), Framing::Length(3));
    assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true), Framing::Empty);
    assert_eq!(framing("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", false), Framing::Empty);
    assert_eq!(framing("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", false), Framing::Chunked);
    assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n", false), Framing::UntilClose);
    let head = response("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false).expect("well formed");
    assert!(!head.expect("whole").keeps_alive);
}

#[test]
fn an_answer_with_two_readings_is_refused() {
    for bad in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        assert!(response(bad, false).is_err(), "{bad:?}");
    }
}

#[test]
fn too_many_headers_are_told_apart() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n";
    let parsed = parse_request(text.as_bytes(), 2, &mut Vec::new());
    assert_eq!(parsed.map(|_| ()), Err(Malformed::TooManyFields));
}
