use super::log;
use crate::op::Op;

/// Operations that mean something, as they are written.
fn operations() -> Vec<Vec<u8>> {
    let (store, topics, locks, jobs) = ("store", "topics", "locks", "jobs");
    let ops = [
        Op::Put { store, key: "key", expires: 0, value: b"value" },
        Op::Put { store: "gone", key: "key", expires: 1, value: b"" },
        Op::Delete { store, key: "key" },
        Op::Message { topics, topic: "topic", key: "", expires: 0, payload: b"payload" },
        Op::Message { topics, topic: "topic", key: "key", expires: 1, payload: b"" },
        Op::Group { topics, topic: "topic", group: "group" },
        Op::Progress { topics, topic: "topic", group: "group", cursor: 2, beyond: vec![4, 9] },
        Op::Progress { topics, topic: "other", group: "group", cursor: u64::MAX - 1, beyond: vec![u64::MAX] },
        Op::Grant { locks, resource: "resource", owner: "owner", expires: u64::MAX },
        Op::Release { locks, resource: "resource" },
        Op::Job { jobs, owner: "app", name: "job", due: 1, body: b"{}" },
        Op::JobOver { jobs, owner: "app", name: "job" },
    ];
    ops.iter()
        .map(|op| {
            let mut bytes = Vec::new();
            op.encode(&mut bytes);
            bytes
        })
        .collect()
}

/// xorshift64 (Marsaglia 2003).
fn next(random: &mut u64) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    usize::try_from(*random >> 33).unwrap()
}

#[test]
fn any_bytes_are_refused_or_read() {
    let operations = operations();
    for seed in 1..400u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let picked: Vec<_> =
            (0..next(&mut random) % 6).map(|_| &operations[next(&mut random) % operations.len()]).collect();
        let count = u8::try_from(picked.len()).unwrap();
        let mut bytes = vec![u8::try_from(next(&mut random) % 4).unwrap(), count];
        bytes.extend(picked.into_iter().flatten());
        // Half of them stay as they are.
        for _ in 0..next(&mut random) % 4 / 2 {
            let at = next(&mut random) % bytes.len();
            bytes[at] = u8::try_from(next(&mut random) % 256).unwrap();
        }
        log(&bytes);
    }
}
