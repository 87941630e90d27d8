//! Messages, as scripts: to whom they go, and which number they get.

use crate::state::policy::Policy;
use crate::state::rate_limit::Rate;
use crate::state::script::{check, check_with, policy};

#[test]
fn messages_are_numbered_within_their_conversation() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> say #lobby m1 hello
             1< accepted #lobby 1
             2< #lobby 1 ann: hello
         1> say bob m2 psst
             1< accepted @bob 1
             2< @ann 1 ann: psst
         2> say ANN m3 what?
             2< accepted @ann 2
             1< @bob 2 bob: what?
         2> say #lobby m4 hi
             2< accepted #lobby 2
             1< #lobby 2 bob: hi",
    );
}

#[test]
fn a_note_to_oneself_goes_to_nobody() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> say ann m1 remember
             1< accepted @ann 1",
    );
}

#[test]
fn messages_to_nowhere_are_refused() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> say bob m1 psst
             1< refused unknown_user bob
         1> say #cellar m2 psst
             1< refused unknown_room cellar
         1> blank
             1< refused text_empty",
    );
}

#[test]
fn a_message_sent_again_is_answered_and_not_repeated() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> say bob m1 psst
             1< accepted @bob 1
             2< @ann 1 ann: psst
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
             1< left bob logged_out
         1> close
         3> open
         3> login ann t1
             3< logged in ann t3 again
             * move 1 to 3
         3> say bob m1 psst
             3< accepted @bob 1",
    );
}

#[test]
fn a_flood_is_slowed_down_with_a_time() {
    check_with(
        Policy { messages: Rate { burst: 2, per_second: 1 }, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> say #lobby m1 a
             1< accepted #lobby 1
         1> say #lobby m2 b
             1< accepted #lobby 2
         1> say #lobby m3 c
             1< refused slow_down at 1000ms
         1> say #lobby m1 a
             1< accepted #lobby 1
         wait 1s
         1> say #lobby m3 c
             1< accepted #lobby 3",
    );
}
