use super::*;

const POSITIVE: Form = Form::Duration { zero: false };
const SIZE: Form = Form::Size { min: 0, max: u64::MAX };

fn parsed(form: Form, text: &str) -> String {
    match form.parse(text) {
        Ok(kind) => format!("{kind:?}"),
        Err(misfit) => misfit.code.to_string(),
    }
}

fn check(form: Form, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(parsed(form, text), *expected, "{text}");
    }
}

#[test]
fn reads_durations() {
    check(
        POSITIVE,
        &[
            ("1us", "Duration(1µs)"),
            ("250ms", "Duration(250ms)"),
            ("2s", "Duration(2s)"),
            ("5m", "Duration(300s)"),
            ("24h", "Duration(86400s)"),
            ("366d", "Duration(31622400s)"),
            ("367d", "FW-1105"),
            ("0s", "FW-1105"),
            ("1.5s", "FW-1105"),
            ("-1s", "FW-1105"),
            ("1 s", "FW-1105"),
            ("s", "FW-1105"),
            ("99999999999999999999s", "FW-1105"),
            ("4294967295d", "FW-1105"),
        ],
    );
    check(Form::Duration { zero: true }, &[("0s", "Duration(0ns)")]);
}

#[test]
fn reads_networks() {
    check(
        Form::Network,
        &[
            ("::1", "Network(Network { address: ::1, prefix_len: 128 })"),
            ("10.0.0.0/8", "Network(Network { address: 10.0.0.0, prefix_len: 8 })"),
            ("10.1.0.0/8", "FW-1108"),
            ("10.0.0.0/33", "FW-1108"),
        ],
    );
}

#[test]
fn reads_sizes() {
    check(
        SIZE,
        &[
            ("512B", "Size(512)"),
            ("64KiB", "Size(65536)"),
            ("64kB", "Size(64000)"),
            ("1TiB", "Size(1099511627776)"),
            ("18446744073709551615B", "Size(18446744073709551615)"),
            ("18446744073709551615KiB", "FW-1106"),
            ("10", "FW-1106"),
            ("10M", "FW-1106"),
            ("10mb", "FW-1106"),
        ],
    );
    check(Form::Size { min: 10, max: 20 }, &[("9B", "FW-1109"), ("20B", "Size(20)"), ("21B", "FW-1109")]);
}

#[test]
fn shows_sizes_in_the_unit_that_divides_them() {
    let shown: Vec<_> = [0, 1, 1000, 1024, 1536, 32 << 10, 10 << 20, 1 << 40].map(shown_size).into();
    assert_eq!(shown, ["0B", "1B", "1000B", "1KiB", "1536B", "32KiB", "10MiB", "1TiB"]);
}

#[test]
fn reads_rates() {
    let rate = |text| match Form::Rate.parse(text) {
        Ok(Kind::Rate(rate)) => Some(rate.events_per_second()),
        _ => None,
    };
    assert_eq!(rate("2000/s"), Some(2000.0));
    assert_eq!(rate("120/m"), Some(2.0));
    assert_eq!(["0/s", "2000", "1.5/s", "2000/sec", "/s", "2000/", "-1/s"].map(rate), [None; 7]);
}

#[test]
fn reads_addresses() {
    check(
        Form::Address,
        &[
            ("127.0.0.1:8080", "Address(127.0.0.1:8080)"),
            ("[::1]:80", "Address([::1]:80)"),
            ("localhost:80", "FW-1108"),
            (":80", "FW-1108"),
            ("80", "FW-1108"),
            ("127.0.0.1", "FW-1108"),
            ("127.0.0.1:65536", "FW-1108"),
        ],
    );
}

#[test]
fn reads_names_hosts_and_headers() {
    let longest = "a".repeat(63);
    let too_long = "a".repeat(64);
    for (form, good, bad) in [
        (Form::Name, vec!["a", "order-api2", &longest], vec!["", "1a", "A", "a_b", "ä", "-a", &too_long]),
        (Form::Host, vec!["shop.example", "10.0.0.1"], vec!["", "shop:80", "http://shop", "a b"]),
        (Form::Header, vec!["X-A", "content-type"], vec!["", "a b", "a:", "ä"]),
        (Form::Status, vec!["300", "409", "599"], vec!["200", "600", "4xx", "-409"]),
        (
            Form::RequestPath,
            vec!["/", "/a?b=c", "/${row:a b}/c", "/$5"],
            vec!["", "a", "/a b", "/a#b", "/${row:a} b"],
        ),
        (Form::Flag, vec!["true", "False"], vec!["yes", "1", ""]),
        (Form::Integer { min: 1, max: 3 }, vec!["1", "3"], vec!["0", "4", "1.0", "0x1", "1_0", ""]),
    ] {
        assert_eq!(good.iter().find(|text| form.parse(text).is_err()), None, "{form:?}");
        assert_eq!(bad.iter().find(|text| form.parse(text).is_ok()), None, "{form:?}");
    }
}

/// An editor that follows the patterns refuses nothing that the checker takes.
#[test]
fn patterns_agree_with_the_readers() {
    let texts = [
        "a",
        "order-2",
        "A",
        "1",
        "250ms",
        "5",
        "64KiB",
        "10M",
        "2000/s",
        "1/x",
        "127.0.0.1:80",
        "[::1]:1",
        "/",
        "/*",
        "/a/*",
        "/a*",
        "/a/b",
        "/a?b",
        "/a b",
        "X-A",
        "/${row:a b}?$",
        "a b",
        "409",
        "200",
        "",
        "shop.example",
        "::1",
        "0.01%",
        "100%",
    ];
    for form in [
        Form::Text,
        Form::Name,
        POSITIVE,
        SIZE,
        Form::Rate,
        Form::Late,
        Form::Share,
        Form::Address,
        Form::File,
        Form::Command,
        Form::PathPattern,
        Form::RequestPath,
        Form::Host,
        Form::Header,
        Form::Status,
    ] {
        let pattern = regex::Regex::new(form.pattern().unwrap()).unwrap();
        for text in texts {
            let is_taken = form.parse(text).is_ok();
            assert!(!is_taken || pattern.is_match(text), "{form:?} takes `{text}`, its pattern does not");
        }
    }
}

#[test]
fn a_share_is_so_many_of_a_million() {
    let read = |text| Form::Share.parse(text).ok();
    for (text, count) in [("1%", 10_000), ("0.01%", 100), ("0.0001%", 1), ("100%", 1_000_000), ("0%", 0)] {
        assert!(matches!(read(text), Some(Kind::Integer(found)) if found == count), "{text}");
    }
    for text in ["1", "%", "101%", "100.0001%", "0.00001%", "-1%", "1.%", ".5%", "1 %"] {
        assert!(read(text).is_none(), "{text}");
    }
}
