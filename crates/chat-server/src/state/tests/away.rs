//! Who is away, as scripts.

use crate::state::script::check;

#[test]
fn everybody_is_told_and_the_list_says_it() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> away
             1< ann is away
             2< ann is away
             1< done
         2> online
             2< online ann (away) bob
         1> away
             1< done
         1> back
             1< ann is back
             2< ann is back
             1< done
         2> online
             2< online ann bob",
    );
}

#[test]
fn strangers_are_nowhere() {
    check(
        "1> open
         1> away
             1< refused not_logged_in",
    );
}

/// An account at two devices.
const TWO_DEVICES: &str = "
    1> open
    1> login ann
        1< logged in ann t1
    1> register secretive
        * hash secretive
    password $h
        1< done
    2> open
    2> login ann password=secretive
        * is secretive $h
    password right
        2< logged in ann t2 as member
    1> away
        1< done
    2> away
        1< ann is away
        2< ann is away
        2< done
";

#[test]
fn who_is_at_one_device_is_there() {
    check(&format!(
        "{TWO_DEVICES}
         1> back
             1< ann is back
             2< ann is back
             1< done
         2> back
             2< done"
    ));
}

#[test]
fn who_comes_with_another_device_is_back() {
    check(&format!(
        "{TWO_DEVICES}
         3> open
         3> login ann password=secretive
             * is secretive $h
         password right
             3< logged in ann t3 as member
             1< ann is back
             2< ann is back
             3< ann is back"
    ));
}

#[test]
fn whoever_leaves_the_last_device_where_they_were_is_away() {
    check(&format!(
        "{TWO_DEVICES}
         1> back
             1< ann is back
             2< ann is back
             1< done
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
             2< ann is away"
    ));
}

#[test]
fn a_session_that_comes_back_is_away_still() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> away
             1< ann is away
             2< ann is away
             1< done
         1> close
         3> open
         3> login ann t1
             3< logged in ann t3 again
             * move 1 to 3
         2> online
             2< online ann (away) bob",
    );
}

#[test]
fn a_flood_of_it_is_slowed_down() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> away
             1< ann is away
             1< done
         1> back
             1< ann is back
             1< done
         1> away
             1< ann is away
             1< done
         1> back
             1< refused slow_down at 1000ms
         1> away
             1< done
         wait 1s
         1> back
             1< ann is back
             1< done",
    );
}
