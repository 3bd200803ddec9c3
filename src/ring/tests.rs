//! Tickets on one thread; `tests/loom_ring.rs` has them on several, and compiles their file by itself.

use super::tickets::{Played, Tickets};

#[test]
fn a_cut_names_one_ticket_and_leaves_the_others_alone() {
    let tickets = Tickets::new(4);
    (1..=3).for_each(|ticket| tickets.issue(ticket));
    assert!(tickets.begin(1, 0));
    assert!(!tickets.cut(2), "nothing of it was heard");
    assert_eq!([1, 2, 3].map(|ticket| tickets.is_cut(ticket)), [false, true, false]);
    assert!(!tickets.begin(2, 10), "and nothing will be");
    assert!(tickets.cut(1), "the reader owes where it fell silent");
    assert!(tickets.begin(3, 10));
}

#[test]
fn a_ticket_that_is_over_is_cut_and_late_words_about_it_harm_nobody() {
    let tickets = Tickets::new(4);
    tickets.issue(1);
    tickets.begin(1, 7);
    tickets.issue(5); // in its slot
    assert!(tickets.is_cut(1) && !tickets.is_open(1) && !tickets.begin(1, 9));
    tickets.close(1, 100);
    tickets.silence(1, 50);
    assert_eq!(tickets.played(5), Played::default());
    tickets.close(5, 20);
    tickets.begin(5, 30);
    assert_eq!(tickets.played(5).ends(), Some(50));
    assert!(tickets.is_open(5));
}

#[test]
fn what_was_heard_ends_at_the_cut_or_at_its_own_end() {
    let played = |silenced, length| Played { begins: Some(100), silenced, length };
    assert_eq!(played(None, None).ends(), None);
    assert_eq!(played(None, Some(50)).ends(), Some(150));
    assert_eq!(played(Some(120), Some(50)).ends(), Some(120));
    assert!(!played(Some(120), Some(50)).is_whole());
    assert!(played(Some(150), Some(50)).is_whole(), "the cut came after its last sample");
    assert!(!played(Some(150), None).is_whole());
}
