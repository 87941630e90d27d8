//! Files, as scripts: lists, tickets, hashes. Who waits for whom stands in `downloads.rs`.

use crate::state::script::check;

#[test]
fn an_empty_folder_is_an_empty_page_and_changes_are_told() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> files
             1< files
         file dir/a 5
             1< file dir/a 5
         file dir/a 5
         file b 6
             1< file b 6
         1> files
             1< files b=6 dir/a=5
         1> files dir/
             1< files dir/a=5
         file b 7
             1< file b 7
         unfile b
             1< file b removed
         unfile b",
    );
}

#[test]
fn a_download_starts_with_a_ticket_and_does_not_wait_for_the_hash() {
    check(
        "file a 5
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 5 bytes
             * hash a for 1
         hashed 1
             1< hashes 1 a 32
         1> done 1
             1< recorded 1",
    );
}

#[test]
fn a_missing_file_is_refused_with_its_path() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> get ../etc/passwd
             1< refused unknown_file ../etc/passwd",
    );
}

#[test]
fn a_file_that_cannot_be_looked_at_now_is_not_called_missing() {
    check(
        "file a 5
         unreadable a
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             1< refused file_unreadable a",
    );
}

#[test]
fn a_download_outlives_its_connection_but_not_its_login() {
    check(
        "file a 5
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 5 bytes
             * hash a for 1
         1> close
         hashed 1
             1< hashes 1 a 32
         2> open
         2> login ann t1
             2< logged in ann t2 again
             * move 1 to 2
             2< hashes 1 a 32
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 1
         hashed 1",
    );
}

#[test]
fn a_hash_that_nobody_waits_for_is_not_asked_for_any_more() {
    check(
        "file a 5
         file b 6
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 5 bytes
             * hash a for 1
         1> get b
             * ticket 2 for ann on 1: b of 6 bytes
             * hash b for 2
         hashed 2
             1< hashes 2 b 32
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
             * no hash for 1
         hashed 1",
    );
}

#[test]
fn a_place_whose_ticket_was_lost_is_given_back_when_its_hash_is_told() {
    check(
        "file a 5
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 5 bytes
             * hash a for 1
         1> get a
             * ticket 2 for ann on 1: a of 5 bytes
             * hash a for 2
         1> close
         hashed 1
             1< hashes 1 a 32
         2> open
         2> login ann t1
             2< logged in ann t2 again
             * move 1 to 2
             2< hashes 1 a 32
         2> get a
             2< queued 3 a as 1
         2> done 1
             2< recorded 1
             * ticket 3 for ann on 2: a of 5 bytes, at last
             * hash a for 3
         2> done 1
             2< recorded 1",
    );
}
