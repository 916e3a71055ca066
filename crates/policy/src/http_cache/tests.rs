use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::time::Time;

/// The fields of a head, one in a line: `name: value`.
struct Head(Vec<(String, String)>);

impl Headers for Head {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.values_of(name)
    }

    fn values_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = name.to_string();
        self.0.iter().filter(move |(field, _)| *field == name).map(|(_, value)| value.as_bytes())
    }
}

fn head(text: &str) -> Head {
    let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_string(), value.to_string()));
    Head(text.lines().filter_map(|line| field(line.trim_start())).collect())
}

/// The response came at t+100 s, one second after it was asked for, at Sun, 06 Nov 1994 08:49:37 GMT.
const WALL: Wall = Wall(784_111_777);
const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT\n";

fn at(seconds: u64) -> Time {
    Time::ZERO.after(Duration::from_secs(seconds))
}

fn moments() -> Moments {
    Moments { asked: at(100), answered: at(100), answered_wall: WALL }
}

fn judged(request: &str, status: u16, response: &str) -> Result<Stored, NotStored> {
    let response = format!("{DATE}{response}");
    judge(&head(request), status, &head(&response), &CachePolicy::default(), moments())
}

/// The lifetime in seconds of what is stored; `None` where it is not.
fn fresh(status: u16, response: &str) -> Option<u64> {
    judged("", status, response).ok().map(|stored| stored.lifetime.as_secs())
}

const ETAG: &str = "etag: \"a\"\n";

#[test]
fn takes_the_lifetime_of_cache_control_then_of_expires() {
    for (response, seconds) in [
        ("cache-control: max-age=3600", 3600),
        ("cache-control: MaX-aGe=3600", 3600),
        ("cache-control: foobar, max-age=3600", 3600),
        ("cache-control: max-age=\"3600\"", 3600),
        ("cache-control: max-age=003600", 3600),
        ("cache-control: max-age=99999999999", u64::from(u32::MAX)),
        ("cache-control: max-age=1, s-maxage=3600", 3600),
        ("cache-control: s-maxage=1, max-age=3600", 1),
        ("cache-control: max-age=3600\ncache-control: s-maxage=1", 1),
        ("cache-control: extension=\"max-age=3600\", max-age=1", 1),
        ("cache-control: max-age=1, extension=\"a\\\", max-age=3600\"", 1),
        ("cache-control: max-age=60, max-age=60", 60),
        ("expires: Sun, 06 Nov 1994 09:49:37 GMT", 3600),
        ("expires: Sun, 06 Nov 1994 09:49:37 GMT\ncache-control: max-age=5", 5),
        ("expires: 0\ncache-control: max-age=5", 5),
        ("expires: Sun, 06 Nov 1994 08:50:37 GMT\ncache-control: public", 60),
    ] {
        assert_eq!(fresh(200, response), Some(seconds), "{response}");
    }
}

#[test]
fn takes_what_is_malformed_for_stale() {
    for response in [
        "cache-control: max-age=-3600",
        "cache-control: max-age='3600'",
        "cache-control: max-age=3600.0",
        "cache-control: max-age=a3600",
        "cache-control: max-age=3600a",
        "cache-control: max-age =3600",
        "cache-control: max-age= 3600",
        "cache-control: max-age",
        "cache-control: max-age=",
        "cache-control: max-age=1800, max-age=1",
        "cache-control: s-maxage=x, max-age=3600",
        "expires: 0",
        "expires: Sun, 06 Nov 1994 8:49:37 GMT",
        "expires: Sun, 06 Nov 1994 08:49:37 GMT",
        "expires: Sun, 06 Nov 1994 09:49:37 GMT\nexpires: Sun, 06 Nov 1994 09:49:38 GMT",
    ] {
        assert_eq!(fresh(200, response), None, "{response}");
        assert_eq!(fresh(200, &format!("{ETAG}{response}")), Some(0), "{response}");
    }
}

#[test]
fn holds_a_response_fresh_for_a_tenth_of_its_age_where_its_status_allows() {
    let modified = "last-modified: Sat, 05 Nov 1994 08:49:37 GMT";
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert_eq!(fresh(status, modified), Some(8640), "{status}");
    }
    for status in [201, 202, 299, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599] {
        assert_eq!(fresh(status, modified), None, "{status}");
        assert_eq!(fresh(status, &format!("cache-control: public\n{modified}")), Some(8640), "{status}");
        assert_eq!(fresh(status, "cache-control: max-age=7"), Some(7), "{status}");
    }
    assert_eq!(fresh(200, "last-modified: Sun, 06 Nov 1904 08:49:37 GMT"), Some(86_400), "a day at most");
    assert_eq!(fresh(200, ""), None);
    let policy = CachePolicy { heuristic_max: Duration::ZERO, ..CachePolicy::default() };
    let stored = judge(&head(""), 200, &head(&format!("{DATE}{modified}")), &policy, moments());
    assert_eq!(stored.expect("it can be validated").lifetime, Duration::ZERO);
}

#[test]
fn takes_the_lifetime_of_the_route_only_where_the_response_says_nothing() {
    let policy = CachePolicy { fresh: Some(Duration::from_secs(30)), ..CachePolicy::default() };
    let fresh = |status, response: &str| {
        let stored = judge(&head(""), status, &head(&format!("{DATE}{response}")), &policy, moments());
        stored.ok().map(|stored| stored.lifetime.as_secs())
    };
    assert_eq!(fresh(200, ""), Some(30));
    assert_eq!(fresh(404, ""), Some(30));
    assert_eq!(fresh(200, "cache-control: max-age=5"), Some(5));
    assert_eq!(fresh(200, "cache-control: no-store"), None);
    assert_eq!(fresh(200, "cache-control: private"), None);
    assert_eq!(fresh(500, ""), None);
    assert_eq!(fresh(302, ""), None);
}

#[test]
fn refuses_to_store_what_is_not_for_everybody() {
    let refused = |request: &str, response: &str| judged(request, 200, response).err();
    let long = "cache-control: max-age=3600";
    for (request, response, why) in [
        ("", "cache-control: max-age=3600, no-store", NotStored::NoStore),
        ("", "cache-control: No-StOrE, max-age=3600", NotStored::NoStore),
        ("", "cache-control: max-age=3600\ncache-control: no-store ", NotStored::NoStore),
        ("", "cache-control: no-store =1, max-age=3600", NotStored::NoStore),
        ("", "cache-control: max-age=3600, a=\"no-store", NotStored::NoStore),
        ("", "cache-control: private, max-age=3600", NotStored::Private),
        ("", "cache-control: private=, max-age=3600", NotStored::Private),
        ("", "cache-control: max-age=3600\nset-cookie: a=b", NotStored::SetCookie),
        ("", "cache-control: max-age=3600, public\nset-cookie: a=b", NotStored::SetCookie),
        ("authorization: x", long, NotStored::Authorization),
        ("cookie: a=b", "last-modified: Sat, 05 Nov 1994 08:49:37 GMT", NotStored::Cookie),
        ("cache-control: no-store", long, NotStored::ByRequest),
        ("", "cache-control: max-age=3600\nvary: *", NotStored::Vary),
        ("", "cache-control: max-age=3600\nvary: a, *", NotStored::Vary),
        ("", "cache-control: max-age=3600\nvary: , \nvary: *, *", NotStored::Vary),
        ("", "cache-control: max-age=0", NotStored::Stale),
        ("", "cache-control: no-cache", NotStored::Stale),
        ("", "cache-control: max-age=3600\nage: 7200", NotStored::Stale),
    ] {
        assert_eq!(refused(request, response), Some(why), "{request} {response}");
    }
    for directive in ["public", "must-revalidate", "s-maxage=3600"] {
        let response = format!("cache-control: max-age=3600, {directive}");
        assert_eq!(refused("authorization: x", &response), None, "{directive}");
    }
    assert_eq!(refused("cookie: a=b", long), None);
    assert_eq!(refused("cookie: a=b", ETAG), None, "it is validated each time");
    for status in [100, 101, 199, 206, 304, 600] {
        assert_eq!(judged("", status, long).err(), Some(NotStored::Status), "{status}");
    }
}

#[test]
fn leaves_out_the_fields_that_are_not_for_everybody() {
    let response = "cache-control: max-age=3600, private=\"Set-Cookie, A\", no-cache=\"b\"\nset-cookie: a=b";
    assert_eq!(judged("", 200, response).expect("it is stored").excluded(), ["set-cookie", "a", "b"]);
}

#[test]
fn stores_what_must_be_understood_only_if_it_is() {
    let response = "cache-control: max-age=3600, no-store, must-understand";
    assert_eq!(fresh(200, response), Some(3600));
    assert_eq!(judged("", 599, response).err(), Some(NotStored::Status));
}

#[test]
fn lets_the_targeted_directives_speak_alone() {
    for (response, seconds) in [
        ("cdn-cache-control: max-age=3600", Some(3600)),
        ("cdn-cache-control: max-age=1, foo=\"a, b\", max-age=3600", Some(3600)),
        ("cdn-cache-control: max-age=3600;a=b, foobar", Some(3600)),
        ("cdn-cache-control: max-age=3600\nexpires: 0\ncache-control: no-store", Some(3600)),
        ("cdn-cache-control: max-age=0\ncache-control: max-age=3600", None),
        ("cdn-cache-control: no-store\ncache-control: max-age=3600", None),
        ("cdn-cache-control: private\ncache-control: max-age=3600", None),
        ("cdn-cache-control: no-cache\ncache-control: max-age=3600", None),
        ("cdn-cache-control: max-age=\"3600\"\ncache-control: max-age=3600", None),
        ("cdn-cache-control: max-age=3600.5\ncache-control: max-age=3600", None),
        // Malformed or empty: as if it were not there.
        ("cdn-cache-control: max-age=3600, &&&\ncache-control: no-store", None),
        ("cdn-cache-control: max-age=60,, a\ncache-control: max-age=3600", Some(3600)),
        ("cdn-cache-control: max-age=60, A\ncache-control: max-age=3600", Some(3600)),
        ("cdn-cache-control: max-age=60, a=\"\ncache-control: max-age=3600", Some(3600)),
        ("cdn-cache-control:  \ncache-control: max-age=3600", Some(3600)),
        ("cdn-cache-control: max-age =60\ncache-control: max-age=3600", Some(3600)),
    ] {
        assert_eq!(fresh(200, response), seconds, "{response}");
    }
}

#[test]
fn counts_age_by_all_that_is_known_of_it() {
    let age = |response: &str, asked, answered| {
        let moments = Moments { asked: at(asked), answered: at(answered), answered_wall: WALL };
        let response = format!("{ETAG}cache-control: max-age=9999999\n{response}");
        let stored = judge(&head(""), 200, &head(&response), &CachePolicy::default(), moments);
        stored.expect("it is stored").age(at(answered + 10)).as_secs()
    };
    assert_eq!(age(DATE, 100, 100), 10, "time in the store");
    assert_eq!(age("age: 30", 100, 102), 42, "age, time on the way, time in the store");
    assert_eq!(age("date: Sun, 06 Nov 1994 08:48:37 GMT", 100, 102), 70, "by date");
    assert_eq!(age("date: Sun, 06 Nov 1994 08:50:37 GMT\nage: 5", 100, 100), 15, "a clock that is ahead");
    assert_eq!(age("date: foo", 100, 100), 10);
    for (header, seconds) in [
        ("age: 7200, 0", 7210),
        ("age: 0, 7200", 10),
        ("age: 7200\nage: 0", 7210),
        ("age: 0\nage: 7200", 10),
        ("age: abc", 10),
        ("age: -7200", 10),
        ("age: 7200.0", 10),
        ("age: 7200;a=b", 10),
        ("age: 2147483649", 2_147_483_659),
    ] {
        assert_eq!(age(&format!("{DATE}{header}"), 100, 100), seconds, "{header}");
    }
}

fn stored(request: &str, response: &str) -> Stored {
    judged(request, 200, response).expect("it is stored")
}

fn decided(request: &str, stored: &Stored, now: u64) -> Verdict {
    decide(&head(request), Asked::Found(stored), &CachePolicy::default(), at(now))
}

#[test]
fn serves_what_is_fresh_and_asks_for_the_rest() {
    let entry = stored("", "cache-control: max-age=10");
    assert_eq!(decided("", &entry, 100), Verdict::Serve);
    assert_eq!(decided("", &entry, 109), Verdict::Serve);
    assert_eq!(decided("", &entry, 110), Verdict::Ask(Forwarded::Stale));
    let policy = CachePolicy::default();
    let decide_on = |asked| decide(&head(""), asked, &policy, at(100));
    assert_eq!(decide_on(Asked::Nothing), Verdict::Ask(Forwarded::UriMiss));
    assert_eq!(decide_on(Asked::Others), Verdict::Ask(Forwarded::VaryMiss));
    let always = stored("", &format!("{ETAG}cache-control: max-age=10, no-cache"));
    assert_eq!(decided("", &always, 100), Verdict::Ask(Forwarded::Stale));
}

#[test]
fn serves_stale_responses_only_as_far_as_they_or_the_route_allow() {
    let allowed = stored("", "cache-control: max-age=10, stale-while-revalidate=5, stale-if-error=20");
    assert_eq!(decided("", &allowed, 114), Verdict::ServeAndRefresh);
    assert_eq!(decided("", &allowed, 115), Verdict::Ask(Forwarded::Stale));
    assert!(allowed.covers(Failing::Silent, at(129)));
    assert!(allowed.covers(Failing::Status(503), at(129)));
    assert!(!allowed.covers(Failing::Status(501), at(129)));
    assert!(!allowed.covers(Failing::Status(404), at(129)));
    assert!(!allowed.covers(Failing::Silent, at(130)));
    let policy = CachePolicy {
        stale_while_revalidate: Duration::from_secs(5),
        stale_if_error: Duration::from_secs(20),
        ..CachePolicy::default()
    };
    for (directives, refreshes, covers) in [
        ("max-age=10", true, true),
        ("max-age=10, stale-while-revalidate=0", false, true),
        ("max-age=10, stale-if-error=0", true, false),
        ("max-age=10, must-revalidate", false, false),
        ("max-age=10, proxy-revalidate", false, false),
        ("max-age=10, no-cache", false, false),
        ("s-maxage=10", false, false),
        ("s-maxage=10, stale-while-revalidate=5", true, false),
        ("max-age=10, must-revalidate, stale-while-revalidate=5, stale-if-error=20", false, false),
    ] {
        let response = head(&format!("{DATE}{ETAG}cache-control: {directives}"));
        let entry = judge(&head(""), 200, &response, &policy, moments()).expect("it is stored");
        let verdict = decide(&head(""), Asked::Found(&entry), &policy, at(112));
        assert_eq!(verdict == Verdict::ServeAndRefresh, refreshes, "{directives}");
        assert_eq!(entry.covers(Failing::Status(500), at(112)), covers, "{directives}");
    }
}

#[test]
fn lets_clients_ask_past_the_cache_only_where_the_route_says_so() {
    let obeying = CachePolicy { obeys_clients: true, ..CachePolicy::default() };
    let entry = stored("", "cache-control: max-age=10");
    let strict = stored("", "cache-control: max-age=10, must-revalidate");
    let decide_by = |policy: &CachePolicy, request: &str, entry: &Stored, now| {
        decide(&head(request), Asked::Found(entry), policy, at(now))
    };
    let ask = Verdict::Ask(Forwarded::Request);
    for (request, now, verdict) in [
        ("cache-control: no-cache", 100, ask),
        ("pragma: no-cache", 100, ask),
        ("pragma: no-cache\ncache-control: a", 100, Verdict::Serve),
        ("cache-control: max-age=0", 101, ask),
        ("cache-control: max-age=5", 105, Verdict::Serve),
        ("cache-control: max-age=5", 106, ask),
        ("cache-control: min-fresh=5", 105, Verdict::Serve),
        ("cache-control: min-fresh=5", 106, ask),
        ("cache-control: max-stale=5", 115, Verdict::Serve),
        ("cache-control: max-stale=5", 116, Verdict::Ask(Forwarded::Stale)),
        ("cache-control: max-stale", 116, Verdict::Serve),
        ("cache-control: only-if-cached", 105, Verdict::Serve),
        ("cache-control: only-if-cached", 110, Verdict::Refuse),
    ] {
        assert_eq!(decide_by(&obeying, request, &entry, now), verdict, "{request} at {now}");
        let unheard = if now < 110 { Verdict::Serve } else { Verdict::Ask(Forwarded::Stale) };
        assert_eq!(decide_by(&CachePolicy::default(), request, &entry, now), unheard, "{request} at {now}");
    }
    let verdict = decide_by(&obeying, "cache-control: max-stale", &strict, 116);
    assert_eq!(verdict, Verdict::Ask(Forwarded::Stale));
}

#[test]
fn stands_for_requests_that_have_the_same_in_what_it_varies_on() {
    let long = "cache-control: max-age=3600\n";
    for (vary, first, second, matches) in [
        ("", "a: 1", "a: 2", true),
        ("vary: a", "a: 1", "a: 1\nb: 2", true),
        ("vary: A", "a: 1", "a: 2", false),
        ("vary: a", "", "a: 1", false),
        ("vary: a", "a: 1", "", false),
        ("vary: a", "a: ", "", false),
        ("vary: a, b", "a: 1\nb: 2", "b: 2\na: 1", true),
        ("vary: a\nvary: b", "a: 1\nb: 2", "a: 1\nb: 3", false),
        ("vary: a, b", "a: 1", "a: 1", true),
        ("vary: a", "a: 1, 2", "a: 1\na: 2", true),
        ("vary: a", "a: 1,2", "a:  1 ,  2 ", true),
        ("vary: a", "a: \"1,2\"", "a: \"1, 2\"", false),
        ("vary: a", "a: 1, 2", "a: 2, 1", false),
        ("vary: a", "a: x", "a: X", false),
        ("vary: accept-language", "accept-language: en, de", "accept-language: eN,De", true),
    ] {
        let entry = stored(first, &format!("{long}{vary}"));
        assert_eq!(entry.matches(&head(second)), matches, "{vary}: {first} and {second}");
    }
    let own = stored("", long);
    assert!(!own.matches(&head("authorization: x")), "nothing says that it is for all who are authorized");
    assert!(stored("", "cache-control: public, max-age=9").matches(&head("authorization: x")));
    let many: Vec<_> = (0..17).map(|name| format!("a{name}")).collect();
    let response = format!("{long}vary: {}", many.join(","));
    assert_eq!(judged("", 200, &response).err(), Some(NotStored::Vary));
}

#[test]
fn knows_when_the_client_has_it_already() {
    let entry =
        stored("", "cache-control: max-age=9\netag: \"a\"\nlast-modified: Sun, 06 Nov 1994 08:00:00 GMT");
    let weak = stored("", "cache-control: max-age=9\netag: W/\"a\"");
    for (request, is_same) in [
        ("if-none-match: \"a\"", true),
        ("if-none-match: W/\"a\"", true),
        ("if-none-match: \"b\", \"a\"", true),
        ("if-none-match: \"b\"\nif-none-match: \"a\"", true),
        ("if-none-match: *", true),
        ("if-none-match: a", false),
        ("if-none-match: \"b,\\\"a\"", false),
        ("if-none-match: \"b\"\nif-modified-since: Sun, 06 Nov 1994 08:00:00 GMT", false),
        ("if-none-match: \"a\"\nif-modified-since: Sun, 06 Nov 1904 08:00:00 GMT", true),
        ("if-modified-since: Sun, 06 Nov 1994 08:00:00 GMT", true),
        ("if-modified-since: Sunday, 06-Nov-94 08:00:01 GMT", true),
        ("if-modified-since: Sun, 06 Nov 1994 07:59:59 GMT", false),
        ("if-modified-since: x", false),
        ("", false),
    ] {
        assert_eq!(is_not_modified(&head(request), &entry, WALL), is_same, "{request}");
    }
    assert!(is_not_modified(&head("if-none-match: \"a\""), &weak, WALL));
    assert!(!is_not_modified(&head("if-modified-since: Sun, 06 Nov 1994 08:49:36 GMT"), &weak, WALL));
    assert!(
        is_not_modified(&head("if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT"), &weak, WALL),
        "by date"
    );
}

#[test]
fn takes_a_304_only_for_what_it_speaks_of() {
    let entry = stored("", &format!("{ETAG}cache-control: max-age=9"));
    assert!(entry.agrees(&head("")));
    assert!(entry.agrees(&head("etag: W/\"a\"")));
    assert!(!entry.agrees(&head("etag: \"b\"")));
    assert!(!stored("", "cache-control: max-age=9").agrees(&head("etag: \"b\"")));
    assert!(entry.agrees_with_head(&head("etag: \"a\"\ncontent-length: 7"), 7));
    assert!(!entry.agrees_with_head(&head("etag: \"a\"\ncontent-length: 8"), 7));
    assert!(!entry.agrees_with_head(&head("etag: \"b\""), 7));
    assert!(is_updated("cache-control") && is_updated("x-a"));
    assert!(!is_updated("content-length") && !is_updated("connection"));
}

#[test]
fn cuts_one_range_out_of_a_body() {
    let range = |first, last| Part::Range { first, last };
    for (header, expected) in [
        ("range: bytes=0-1", range(0, 1)),
        ("range: BYTES=0-0", range(0, 0)),
        ("range: bytes=1-", range(1, 9)),
        ("range: bytes=5-99999999999999999999999", range(5, 9)),
        ("range: bytes=-3", range(7, 9)),
        ("range: bytes=-30", range(0, 9)),
        ("range: bytes=9-9", range(9, 9)),
        ("range: bytes=10-", Part::Unsatisfiable),
        ("range: bytes=-0", Part::Unsatisfiable),
        ("range: bytes=2-1", Part::Whole),
        ("range: bytes=0-1,3-4", Part::Whole),
        ("range: bytes=-", Part::Whole),
        ("range: bytes=a-b", Part::Whole),
        ("range: bytes=1", Part::Whole),
        ("range: lines=0-1", Part::Whole),
        ("range: bytes=0-1\nrange: bytes=0-2", Part::Whole),
        ("", Part::Whole),
    ] {
        assert_eq!(part(&head(header), 10), expected, "{header}");
    }
    assert_eq!(part(&head("range: bytes=0-"), 0), Part::Unsatisfiable);
    assert_eq!(part(&head("range: bytes=-5"), 0), Part::Whole);
    let entry =
        stored("", "cache-control: max-age=9\netag: \"a\"\nlast-modified: Sun, 06 Nov 1994 08:00:00 GMT");
    for (condition, may) in [
        ("", true),
        ("if-range: \"a\"", true),
        ("if-range: W/\"a\"", false),
        ("if-range: \"b\"", false),
        ("if-range: Sun, 06 Nov 1994 08:00:00 GMT", true),
        ("if-range: Sun, 06 Nov 1994 08:00:01 GMT", false),
    ] {
        assert_eq!(may_use_range(&head(condition), &entry), may, "{condition}");
    }
}

#[test]
fn makes_invalid_what_an_unsafe_request_changed() {
    for (method, status, is_invalid) in [
        ("POST", 200, true),
        ("PUT", 204, true),
        ("DELETE", 302, true),
        ("M-SEARCH", 200, true),
        ("POST", 404, false),
        ("POST", 500, false),
        ("GET", 200, false),
        ("HEAD", 200, false),
        ("OPTIONS", 200, false),
    ] {
        assert_eq!(invalidates(method, status), is_invalid, "{method} {status}");
    }
    for (location, target) in [
        ("/a?b", Some("/a?b")),
        ("/a#c", Some("/a")),
        ("http://A.example/b", Some("/b")),
        ("https://a.example/", Some("/")),
        ("http://b.example/b", None),
        ("//a.example/b", None),
        ("ftp://a.example/b", None),
        ("http://a.example", None),
        ("b", None),
        ("", None),
    ] {
        assert_eq!(local_target("a.example", location), target, "{location}");
    }
}

#[test]
fn says_what_it_did() {
    let hit = CacheStatus { ttl: Some(-3), ..CacheStatus::default() };
    assert_eq!(hit.to_string(), "Floodway; hit; ttl=-3");
    let forwarded = CacheStatus {
        forwarded: Some(Forwarded::Stale),
        forwarded_status: Some(304),
        ttl: Some(60),
        is_stored: true,
        is_collapsed: true,
    };
    assert_eq!(forwarded.to_string(), "Floodway; fwd=stale; fwd-status=304; ttl=60; stored; collapsed");
}

#[test]
fn collects_tags() {
    let response = head("cache-tag: a, b,,c\nsurrogate-key: d  e");
    let all: Vec<_> = tags(&response).iter().map(ToString::to_string).collect();
    assert_eq!(all, ["a", "b", "c", "d", "e"]);
}

proptest! {
    /// Whatever a response says besides, these words keep it out.
    #[test]
    fn never_stores_what_forbids_it(
        noise in "[a-z0-9=\", \\\\-]{0,40}",
        word in prop_oneof!["no-store", "private", "No-Store", "PRIVATE"],
        first: bool,
        two_lines: bool,
    ) {
        let glue = if two_lines { "\ncache-control: " } else { ", " };
        let said = if first { format!("{word}{glue}{noise}") } else { format!("{noise}{glue}{word}") };
        // On one line an open quote may take the word in; then nothing of the line is believed.
        let response = format!("cache-control: {said}\ncache-control: max-age=60");
        prop_assume!(!noise.contains("must-understand"));
        let quotes = noise.matches('"').count();
        prop_assume!(first || two_lines || quotes == 0);
        prop_assert!(judged("", 200, &response).is_err(), "{response}");
    }

    #[test]
    fn is_served_without_asking_only_while_fresh_or_allowed(
        max_age in 0_u64..100, swr in 0_u64..100, age in 0_u64..100, resident in 0_u64..300,
    ) {
        let response = format!(
            "{ETAG}age: {age}\ncache-control: max-age={max_age}, stale-while-revalidate={swr}",
        );
        let entry = stored("", &response);
        let total = age + resident;
        let expected = match () {
            () if total < max_age => Verdict::Serve,
            () if total < max_age + swr => Verdict::ServeAndRefresh,
            () => Verdict::Ask(Forwarded::Stale),
        };
        prop_assert_eq!(decided("", &entry, 100 + resident), expected);
        prop_assert_eq!(entry.age(at(100 + resident)).as_secs(), total);
        let left = i64::try_from(max_age).expect("small") - i64::try_from(total).expect("small");
        prop_assert_eq!(entry.ttl(at(100 + resident)), left);
    }

    #[test]
    fn a_range_lies_in_its_body(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", len in 0_u64..2000) {
        match part(&head(&format!("range: {header}")), len) {
            Part::Range { first, last } => prop_assert!(first <= last && last < len),
            Part::Whole | Part::Unsatisfiable => {}
        }
    }

    #[test]
    fn the_request_it_was_stored_for_gets_it_again(
        a in "[ -~]{0,20}", b in "[ -~]{0,20}", vary in "[ab, ]{0,6}",
    ) {
        let request = Head(std::vec![("a".into(), a), ("b".into(), b)]);
        let response = head(&format!("{DATE}cache-control: max-age=60\nvary: {vary}"));
        if let Ok(entry) = judge(&request, 200, &response, &CachePolicy::default(), moments()) {
            prop_assert!(entry.matches(&request));
        }
    }

    #[test]
    fn reads_any_bytes(values in prop::collection::vec("[ -~]{0,30}", 12)) {
        const NAMES: [&str; 12] = [
            "cache-control", "cdn-cache-control", "expires", "date", "age", "vary", "etag", "last-modified",
            "if-none-match", "if-modified-since", "range", "cache-tag",
        ];
        let all = Head(NAMES.iter().map(ToString::to_string).zip(values).collect());
        let _tags = tags(&all);
        let _part = part(&all, 10);
        if let Ok(entry) = judge(&all, 200, &all, &CachePolicy::default(), moments()) {
            let _not_modified = is_not_modified(&all, &entry, WALL);
            let _verdict = decide(&all, Asked::Found(&entry), &CachePolicy::default(), at(200));
        }
    }
}
