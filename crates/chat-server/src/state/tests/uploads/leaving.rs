//! Uploads that are given up: when their places are free, and what becomes of the same file wanted again.

use crate::state::script::check;

#[test]
fn what_comes_for_a_login_that_ended_is_let_go_of() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
             1< refused unknown_upload
         upload 1 ready
             * upload 1: release",
    );
}

#[test]
fn a_place_is_given_back_and_what_there_is_stays() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> release 1
             * upload 1: release
             1< upload 1 abandoned
         1> release 1
             1< upload 1 abandoned",
    );
}

#[test]
fn who_gives_up_gets_no_other_place_before_the_disk_is_done() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         1> release 1
             1< refused unknown_upload
             1< upload 1 abandoned
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         1> abandon 2
             1< refused unknown_upload
             1< upload 2 abandoned
         1> put 3 c 5
             1< upload 3 (attempt 3) queued as 1
         upload 1 stored a
             * upload 1: release
             * upload 3: begin c of 5 bytes by ann
         1> put 4 d 5
             1< upload 4 (attempt 4) queued as 1
         upload 2 ready
             * upload 2: remove
         wait 70s
             1< ping
         transferring
         upload 2 removed
             * upload 4: begin d of 5 bytes by ann",
    );
}

#[test]
fn the_same_file_begins_again_when_what_there_was_of_it_is_removed() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> abandon 1
             * upload 1: remove
             1< upload 1 abandoned
         1> put 2 a 5
         1> sent 1
             1< refused unknown_upload
         1> put 3 a 5
             1< refused too_many_uploads 1
         1> abandon 1
             1< upload 1 abandoned
         upload 1 removed
             * upload 2: begin a of 5 bytes by ann
         1> abandon 1
             1< upload 1 abandoned
         upload 2 ready
             1< upload ticket",
    );
}

#[test]
fn who_gives_up_a_file_while_it_gets_its_name_and_wants_it_again_has_it() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         1> release 1
             1< refused unknown_upload
             1< upload 1 abandoned
         1> put 2 a 5
         upload 1 stored a
             * upload 1: release
             1< upload 1 stored as a",
    );
}
