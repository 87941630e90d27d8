//! History, as scripts: who may ask for what, and as whom.

use crate::state::script::check;

#[test]
fn one_question_at_a_time_is_read_and_answered() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> history #lobby
             * read lobby for 1
         1> history #lobby
             1< refused slow_down at 1000ms
         read nothing
             1< history of #lobby
         1> history BOB
             * read ann+bob for 1
         read busy
             1< refused slow_down at 1000ms
         1> history @bob
             * read ann+bob for 1
         read failed
             1< refused storage_failed
         1> conversations 7
             * read conversations after 7 for 1
         1> history #lobby
             1< refused slow_down at 1000ms
         read nothing
             1< 0 conversations, next 0
         1> history #cellar
             1< refused unknown_room cellar",
    );
}

#[test]
fn who_asked_and_went_gets_no_answer_and_may_ask_again() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> history #lobby
             * read lobby for 1
         1> close
         2> open
         2> login ann t1
             2< logged in ann t2 again
             * move 1 to 2
         read nothing
         2> history #lobby
             * read lobby for 1",
    );
}

#[test]
fn who_has_the_token_is_who_it_was_and_who_has_the_name_alone_is_not() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
         2> open
         2> login ann
             2< logged in ann t2
         2> history @bob
             * read ann+bob for 2
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
         3> open
         3> login ann t1
             3< logged in ann t3
         3> history @bob
             * read ann+bob for 1
         4> open
         4> login bob t1
             4< logged in bob t4
             3< joined bob
         4> history @ann
             * read ann+bob for 4",
    );
}

#[test]
fn a_search_is_a_question_like_the_others_and_says_why_it_finds_nothing() {
    check(
        "1> open
         1> search tea
             1< refused not_logged_in
         1> login ann
             1< logged in ann t1
         1> search tea biscuits
             * read what holds \"tea biscuits\" for 1
         1> history #lobby
             1< refused slow_down at 1000ms
         read nothing
             1< 0 found, next 0
         1> search e
             * read what holds \"e\" for 1
         read too_broad
             1< refused too_broad
         1> search ?
             * read what holds \"?\" for 1
         read no_word
             1< refused text_empty",
    );
}
