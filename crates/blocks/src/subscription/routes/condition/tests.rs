use super::*;

const EVENT: &str = r#"{"type":"order.placed","source":"shop","time":"2026-01-02T03:04:05Z",
    "data":{"n":3,"big":18446744073709551615,"price":1.5,"vip":true,"tags":["a","b"],"note":null}}"#;

fn is_true(text: &str) -> bool {
    let event = Event::read(EVENT.as_bytes()).expect("an envelope");
    let condition = Condition::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    condition.holds(&event)
}

fn error(text: &str) -> ConditionError {
    Condition::compile(text).expect_err("a wrong condition")
}

#[test]
fn what_is_true_of_an_envelope() {
    for text in [
        "event.type == 'order.placed'",
        r#"event.type == "order.placed" && event.source == "shop""#,
        "event.type.startsWith('order.') && !event.type.endsWith('paid')",
        "event['type'].contains('place')",
        "event.type.matches('^order\\\\.')",
        "event.type in ['a', 'order.placed']",
        "event.data.n > 2 && event.data.n <= 3",
        "event.data.n == 3.0 && event.data.n < 3.5",
        "event.data.big > 9223372036854775807",
        "event.data.price * 2.0 == 3.0",
        "event.data.vip",
        "event.data.note == null",
        "has(event.data.vip) && !has(event.data.absent)",
        "size(event.data.tags) == 2 && event.data.tags[1] == 'b'",
        "event.data.tags.exists(tag, tag == 'a') && event.data.tags.all(tag, size(tag) == 1)",
        "event.data.n > 9 ? false : true",
        "type(event.data.n) == int && string(event.data.n) == '3'",
        "timestamp(event.time) < timestamp('2027-01-01T00:00:00Z')",
        "timestamp(event.time).getFullYear() == 2026",
        "timestamp(event.time) - timestamp('2026-01-02T03:04:00Z') == duration('5s')",
        "event.data.absent == 1 || true",
    ] {
        assert!(is_true(text), "{text}");
    }
}

#[test]
fn what_is_not_true_or_cannot_be_told() {
    for text in [
        "event.type == 'x'",
        "event.data.absent",
        "event.data.absent == 1",
        "event.data.n",
        "event.data.n == 'three'",
        "event.data.n / 0 == 1",
        "int(event.type) == 1",
        "event.type.matches('[')",
        "event.data.tags[7] == 'a'",
        "event.data.n + 9223372036854775807 > 0",
        "'text'",
    ] {
        assert!(!is_true(text), "{text}");
    }
}

#[test]
fn a_wrong_expression_says_what_is_wrong_with_it() {
    let place = |text| match error(text) {
        ConditionError::Syntax { why, column } => (why, column),
        other => panic!("{text}: {other}"),
    };
    assert_eq!(place("event.type =! 'a'"), ("token recognition error at: '=!'".to_owned(), 12));
    assert_eq!(place("event.type == 'a' &&"), ("mismatched input its end".to_owned(), 21));
    for text in ["", "(", ")", ".", "/", "1 +", "a b", "'abc", "event[", "#", "event.data.?x", "-", "`a`"] {
        assert!(matches!(error(text), ConditionError::Syntax { .. }), "{text}");
    }
}

#[test]
fn unknown_names_and_functions_are_found_before_any_message() {
    let name = |text| match error(text) {
        ConditionError::UnknownName(name) | ConditionError::UnknownFunction(name) => name,
        other => panic!("{text}: {other}"),
    };
    assert_eq!(name("evnt.type == 'a'"), "evnt");
    assert_eq!(name("event.type == placed"), "placed");
    assert_eq!(name("Order{n: 1} == event"), "Order");
    assert_eq!(name("event.type.startWith('a')"), "startWith");
    assert_eq!(name("lower(event.type) == 'a'"), "lower");
    assert_eq!(name("true || lower(event.type) == 'a'"), "lower");
    assert_eq!(name("event.data.tags.exists(t, tag == 'a')"), "tag");
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |open: &str, close: &str, levels: usize| {
        format!("{}true{}", open.repeat(levels), close.repeat(levels))
    };
    assert!(Condition::compile(&nested("(", ")", 20)).is_ok());
    assert_eq!(error(&nested("(", ")", 400)), ConditionError::TooDeep);
    assert_eq!(error(&nested("[", "]", 24)), ConditionError::TooDeep);
    assert_eq!(error(&format!("{}1", "1+".repeat(500))), ConditionError::TooDeep);
    assert_eq!(error(&format!("event{}", ".a".repeat(500))), ConditionError::TooDeep);
    assert_eq!(error(&" ".repeat(1025)), ConditionError::TooLong);
    // As deep as may be, on a stack half as large as a worker's.
    let deepest = ["[", "{1:", "(1+", "size("].map(|open| {
        let close = match open {
            "[" => "]",
            "{1:" => "}",
            _ => ")",
        };
        format!("{}event{} == 1", open.repeat(20), close.repeat(20))
    });
    for text in deepest {
        let condition = Condition::compile(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let evaluate = move || condition.holds(&Event(Value::Int(1)));
        let evaluating = thread::Builder::new().stack_size(1 << 20).spawn(evaluate).expect("a thread");
        assert!(!evaluating.join().expect("no panic"), "{text}");
    }
}

#[test]
fn conditions_are_the_same_by_their_text() {
    let [one, same, other] = ["event.a == 1", "event.a == 1", "event.a == 2"]
        .map(|text| Condition::compile(text).expect("a condition"));
    assert_eq!((one == same, one == other), (true, false));
    assert_eq!((one.text(), format!("{one:?}")), ("event.a == 1", "Condition(\"event.a == 1\")".to_owned()));
}
