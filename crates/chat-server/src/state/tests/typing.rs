//! Who is writing, as scripts.

use crate::state::policy::Policy;
use crate::state::script::{check, check_with, policy};

#[test]
fn whoever_is_there_hears_it_and_the_writer_does_not() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> typing #lobby
             2< #lobby ann types
         1> typing @BOB
             2< @ann ann types
         1> typing @ann",
    );
}

#[test]
fn it_goes_where_a_message_could() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> typing @zoe
             1< refused unknown_user zoe
         1> typing #attic
             1< refused unknown_room attic
         2> typing #lobby
         2> open
         2> typing #lobby
             2< refused not_logged_in",
    );
}

#[test]
fn the_members_of_a_room_hear_it_where_the_writer_may_write() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> room create attic 7 announce
             1< in #attic of 1 announce in moderator from 0
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> typing #attic
             2< refused not_a_member attic
         2> room join attic
             1< bob in #attic
             2< in #attic of 2 announce in from 0
         2> typing #attic
             2< refused not_allowed
         1> typing #attic
             2< #attic ann types",
    );
}

#[test]
fn the_muted_are_not_seen_writing() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         9> operator
         9> mute bob 60s
             9< done
         2> typing #lobby
             2< refused muted at 60000ms",
    );
}

#[test]
fn nothing_waits_for_who_is_not_there() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> close
         1> typing @bob
         1> typing #lobby
         3> open
         3> login bob t2
             3< logged in bob t3 again
             * move 2 to 3",
    );
}

#[test]
fn a_flood_of_it_is_left_out() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> typing #lobby
             2< #lobby ann types
         1> typing #lobby
             2< #lobby ann types
         1> typing #lobby
             2< #lobby ann types
         1> typing #lobby
             2< #lobby ann types
         1> typing #lobby
             2< #lobby ann types
         1> typing #lobby
         1> typing #nowhere
         wait 1s
         1> typing #lobby
             2< #lobby ann types
         1> typing #lobby",
    );
}

/// As many as are told, and one more.
#[test]
fn a_crowd_is_not_told() {
    let policy = Policy { sessions_max: 100, ..policy() };
    let mut script = String::new();
    for n in 1..=52 {
        script += &format!("{n}> open\n{n}> login p{n}\n{n}< logged in p{n} t{n}\n");
        script.extend((1..n).map(|other| format!("{other}< joined p{n}\n")));
        if n == 51 {
            script += "51> typing #lobby\n";
            script.extend((1..51).map(|other| format!("{other}< #lobby p51 types\n")));
        }
    }
    check_with(policy, &format!("{script}52> typing #lobby\n52> typing @p1\n1< @p52 p52 types"));
}
