//! What input from the network, and from a file that anybody may have written, may never do, as
//! functions of arbitrary bytes: each panics where a promise is broken.
//!
//! The crate in `fuzz/` drives them with libFuzzer (`make fuzz`), and the tests below replay the
//! corpus that is kept there. Built for those two only.

mod acks;
mod handshakes;
mod input;
mod resume_states;
mod sessions;
mod tcp_frames;
mod tickets;

pub use acks::acks;
pub use handshakes::handshakes;
pub use resume_states::resume_states;
pub use sessions::sessions;
pub use tcp_frames::tcp_frames;
pub use tickets::tickets;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Runs every file of a target's corpus.
    #[track_caller]
    fn replay(target: &str, run: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&corpus).unwrap() {
            let path = entry.unwrap().path();
            // Shown with the failure, should there be one.
            eprintln!("{}", path.display());
            run(&std::fs::read(&path).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} is empty", corpus.display());
    }

    #[test]
    fn the_corpus_of_acks() {
        replay("acks", acks);
    }

    #[test]
    fn the_corpus_of_handshakes() {
        replay("handshakes", handshakes);
    }

    #[test]
    fn the_corpus_of_resume_states() {
        replay("resume_states", resume_states);
    }

    #[test]
    fn the_corpus_of_sessions() {
        replay("sessions", sessions);
    }

    #[test]
    fn the_corpus_of_tcp_frames() {
        replay("tcp_frames", tcp_frames);
    }

    #[test]
    fn the_corpus_of_tickets() {
        replay("tickets", tickets);
    }
}
