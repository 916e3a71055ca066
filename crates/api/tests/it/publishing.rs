use crate::support::{api, error_of, is_rich};

#[test]
fn a_message_is_204_whatever_its_type() {
    let api = api();
    for (content_type, body) in
        [("application/json", r#"{"a":1}"#), ("text/plain", "hello"), ("application/octet-stream", "\u{1}")]
    {
        let headers = [("content-type", content_type)];
        let answer =
            api.send_with("POST", "/v1.0/publish/events/a/b?metadata.ttlInSeconds=60", &headers, body);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{}", answer.text());
    }
}

#[test]
fn entries_of_a_bulk_need_ids_of_their_own_in_any_spelling() {
    let api = api();
    for path in ["/v1.0/publish/bulk/events/a", "/v1.0-alpha1/publish/bulk/events/a"] {
        let good = r#"[{"entryId":"1","event":{"a":1},"contentType":"application/json"},
            {"entryID":"2","event":"text","contentType":"text/plain"},
            {"entryId":"3","event":"aGk=","contentType":"application/octet-stream"}]"#;
        assert_eq!(api.send("POST", path, good).status, 204);
        for bad in [r#"[{"event":1}]"#, r#"[{"entryId":"1"},{"entryId":"1"}]"#, "{}"] {
            assert_eq!(
                error_of(&api.send("POST", path, bad)),
                (400, "ERR_PUBSUB_EVENTS_SER".to_owned()),
                "{bad}"
            );
        }
    }
}

#[test]
fn what_is_wrong_is_named_in_daprs_words() {
    let api = api();
    let unknown = api.send("POST", "/v1.0/publish/other/a", "1");
    assert_eq!(error_of(&unknown), (404, "ERR_PUBSUB_NOT_FOUND".to_owned()));
    assert!(is_rich(&unknown));
    assert_eq!(api.send("POST", "/v1.0/publish/events/", "1").status, 404);
    let headers = [("content-type", "application/cloudevents+json")];
    assert_eq!(api.send_with("POST", "/v1.0/publish/events/a", &headers, "no").status, 400);
    assert_eq!(api.send("POST", "/v1.0/publish/events/a?metadata.ttlInSeconds=x", "1").status, 400);
}

#[test]
fn what_cannot_be_read_of_a_time_or_a_name_is_refused() {
    let api = api();
    let long = "i".repeat(1025);
    for wrong in ["delay=soon", "dueTime=yesterday", &format!("deduplicationId={long}")] {
        let path = format!("/v1.0/publish/events/a?metadata.{wrong}");
        assert_eq!(api.send("POST", &path, "1").status, 400, "{wrong}");
    }
}
