//! Forgetting a group: `DELETE /groups?topics=…&topic=…&group=…`.

use floodway_api::Components;
use floodway_blocks::topics::Forget;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use super::{Answer, json, problem};

/// A group, as a query names it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    topics: String,
    topic: String,
    group: String,
}

/// Forgets a group: nothing waits for an app that is gone.
pub(super) async fn forget(components: &Components, query: &str) -> Answer {
    let Some(Named { topics, topic, group }) = parse(query) else {
        return problem(StatusCode::BAD_REQUEST, "expected topics=, topic= and group=");
    };
    let Some(component) = components.topics.get(&topics) else {
        return problem(StatusCode::NOT_FOUND, &format!("there are no topics {topics}"));
    };
    match component.topics.forget(&topic, &group).await {
        Ok(Forget::Done) => json(StatusCode::OK, &serde_json::json!({ "forgotten": group })),
        Ok(Forget::Unknown) => {
            problem(StatusCode::NOT_FOUND, &format!("{topic} in {topics} has no group {group}"))
        }
        Ok(Forget::InUse) => problem(
            StatusCode::CONFLICT,
            &format!("{group} subscribes to {topic} in {topics} at this moment"),
        ),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn parse(query: &str) -> Option<Named> {
    let mut named = Named::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value).decode_utf8().ok()?.into_owned();
        match name {
            "topics" => named.topics = value,
            "topic" => named.topic = value,
            "group" => named.group = value,
            _ => return None,
        }
    }
    let is_whole = ![&named.topics, &named.topic, &named.group].iter().any(|text| text.is_empty());
    is_whole.then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_group_and_nothing_else() {
        let named = Named { topics: "work".into(), topic: "a/b#9".into(), group: "app".into() };
        assert_eq!(parse("topics=work&topic=a%2Fb%239&group=app"), Some(named));
        for wrong in ["", "topics=work&topic=a", "topics=work&topic=a&group=", "topics=w&topic=a&group=b&c=d"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
