//! Uploads, as scripts: who may begin, who is answered, what is let go of.

use crate::state::policy::Policy;
use crate::state::script::{check, check_with, policy};

#[test]
fn an_upload_goes_from_leave_to_file() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 music/song.ogg 5
             * upload 1: begin music/song.ogg of 5 bytes by ann
         upload 1 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         upload 1 1 misses 3
             1< upload 1 misses 3
         1> put 1 music/song.ogg 5
             * upload 1: begin music/song.ogg of 5 bytes by ann
         upload 1 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         upload 1 1 stored music/song.ogg
             * upload 1: release
             1< upload 1 stored as music/song.ogg
         1> sent 1
             1< refused unknown_upload",
    );
}

#[test]
fn a_server_that_takes_none_says_so() {
    check_with(
        Policy { takes_uploads: false, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             1< refused uploads_off",
    );
}

#[test]
fn strangers_upload_nothing() {
    check(
        "1> open
         1> put 1 a 5
             1< refused not_logged_in",
    );
}

#[test]
fn a_name_that_is_none_is_refused_with_it() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 ../etc/passwd 5
             1< refused upload_name ../etc/passwd
         1> put 1 /etc/passwd 5
             1< refused upload_name /etc/passwd",
    );
}

#[test]
fn as_many_at_once_as_downloads() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         1> put 3 c 5
             1< refused too_many_uploads 2
         upload 1 2 full
             * upload 2: release
             1< refused server_disk_full
         1> put 3 c 5
             * upload 3: begin c of 5 bytes by ann",
    );
}

#[test]
fn a_client_that_was_killed_goes_on_in_the_same_place() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 1 ready
             1< upload ticket
         1> put 2 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 a 6
             * upload 1: begin a of 6 bytes by ann",
    );
}

#[test]
fn nobody_touches_the_upload_of_another() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 1 ready
             1< upload ticket
         2> sent 1
             2< refused unknown_upload
         2> abandon 1
             2< upload 1 abandoned
         1> abandon 1
             * upload 1: remove
             1< upload 1 abandoned",
    );
}

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
             * upload 1: release
         upload 1 1 ready
             * upload 1: release",
    );
}

#[test]
fn questions_that_wait_for_the_disk_are_bounded() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 1 a 5
             1< refused too_many_uploads 4",
    );
}
