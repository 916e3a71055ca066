use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

fn at(millis: u64) -> Time {
    Time::ZERO.after(Duration::from_millis(millis))
}

fn door(limit: u32, queue_max: u32) -> Admission {
    let queue_time = Duration::from_millis(100);
    Admission::new(AdmissionPolicy { limit: Limit::Fixed(limit), queue_max, queue_time }, 1)
}

fn queued(entry: Entry) -> Ticket {
    match entry {
        Entry::Queued(ticket, _) => ticket,
        other => panic!("{other:?}"),
    }
}

fn called(door: &mut Admission) -> Vec<(Ticket, bool)> {
    let untold: Vec<_> = door.take_untold().collect();
    untold.into_iter().map(|ticket| (ticket, door.claim(ticket).expect("it was called"))).collect()
}

#[test]
fn lets_in_up_to_its_limit_and_calls_the_next_in_turn() {
    let mut door = door(2, 10);
    assert_eq!(
        (0..2).map(|_| door.enter(Class::NORMAL, Time::NEVER, at(0))).collect::<Vec<_>>(),
        [Entry::In; 2]
    );
    let first = queued(door.enter(Class::NORMAL, Time::NEVER, at(0)));
    let second = queued(door.enter(Class::NORMAL, Time::NEVER, at(1)));
    door.leave(at(2));
    assert_eq!(called(&mut door), [(first, true)]);
    door.leave(at(3));
    assert_eq!(called(&mut door), [(second, true)]);
    assert_eq!((door.in_flight(), door.waiting()), (2, 0));
}

#[test]
fn a_higher_class_goes_first_and_puts_a_lower_one_out() {
    let mut door = door(1, 2);
    assert_eq!(door.enter(Class::NORMAL, Time::NEVER, at(0)), Entry::In);
    let normal = queued(door.enter(Class::NORMAL, Time::NEVER, at(0)));
    let low = queued(door.enter(Class::new(3), Time::NEVER, at(0)));
    let high = queued(door.enter(Class::HIGHEST, Time::NEVER, at(1)));
    assert_eq!(called(&mut door), [(low, false)]);
    assert_eq!(door.enter(Class::new(2), Time::NEVER, at(1)), Entry::Refused, "nobody is lower");
    door.leave(at(2));
    door.leave(at(2));
    assert_eq!(called(&mut door), [(high, true), (normal, true)]);
}

#[test]
fn the_newest_goes_first_once_the_oldest_has_waited_long() {
    let mut door = door(1, 10);
    assert_eq!(door.enter(Class::HIGHEST, Time::NEVER, at(0)), Entry::In);
    let old = queued(door.enter(Class::HIGHEST, Time::NEVER, at(0)));
    let new = queued(door.enter(Class::HIGHEST, Time::NEVER, at(60)));
    door.leave(at(60));
    assert_eq!(called(&mut door), [(new, true)]);
    door.leave(at(90));
    assert_eq!(called(&mut door), [(old, true)]);
}

#[test]
fn lower_classes_are_refused_the_sooner() {
    let mut door = door(1, 10);
    assert_eq!(door.enter(Class::NORMAL, Time::NEVER, at(0)), Entry::In);
    queued(door.enter(Class::NORMAL, Time::NEVER, at(0)));
    let refused = |door: &mut Admission, class, millis| {
        door.enter(Class::new(class), Time::NEVER, at(millis)) == Entry::Refused
    };
    assert!(refused(&mut door, 3, 26) && refused(&mut door, 2, 51) && refused(&mut door, 1, 76));
    assert!(!refused(&mut door, 0, 99));
}

#[test]
fn who_waited_too_long_is_passed_by() {
    let mut door = door(1, 10);
    assert_eq!(door.enter(Class::NORMAL, Time::NEVER, at(0)), Entry::In);
    let late = queued(door.enter(Class::NORMAL, at(10), at(0)));
    door.leave(at(20));
    assert_eq!(called(&mut door), [(late, false)]);
    assert_eq!((door.in_flight(), door.waiting()), (0, 0));
}

proptest! {
    /// Whatever comes: never more in flight than the limit, never more waiting than there is room for, every
    /// ticket is called or cancelled once at most, and in flight is what was let in and did not leave.
    #[test]
    fn keeps_its_books(steps in vec((0_u8..4, 0_u8..4, 0_u64..30), 1..400), limit in 1_u32..6, room in 0_u32..8) {
        let mut door = door(limit, room);
        let mut waiting = BTreeMap::new();
        let (mut now, mut inside) = (0, 0_u32);
        for (step, class, pause) in steps {
            now += pause;
            match step {
                0 | 1 => match door.enter(Class::new(class), Time::NEVER, at(now)) {
                    Entry::In => inside += 1,
                    Entry::Queued(ticket, until) => prop_assert!(waiting.insert(ticket, until).is_none()),
                    Entry::Refused => {}
                },
                2 if inside > 0 => {
                    inside -= 1;
                    door.leave(at(now));
                }
                _ => {
                    if let Some((ticket, _)) = waiting.pop_first() {
                        door.cancel(ticket);
                    }
                }
            }
            for (ticket, is_in) in called(&mut door) {
                let until = waiting.remove(&ticket);
                prop_assert!(until.is_some(), "{ticket:?} was called twice");
                prop_assert!(!is_in || until > Some(at(now)), "called too late");
                inside += u32::from(is_in);
            }
            prop_assert_eq!(door.in_flight(), inside);
            prop_assert!(inside <= limit && door.waiting() <= room as usize);
        }
    }
}
