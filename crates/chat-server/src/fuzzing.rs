//! What strangers' input to the chat may never do, as functions of arbitrary bytes: each panics where a
//! promise is broken.
//!
//! The crate in `fuzz/` drives them with libFuzzer (`make fuzz`); the tests below replay the corpus that is
//! kept there, and what some thousand chances make of it. Built for those two only. What the client may
//! never do with frames of a server is in `chat_client::session::fuzzing`.

mod client_frames;
mod invite_links;
mod user_names;

pub use client_frames::client_frames;
pub use invite_links::invite_links;
pub use user_names::user_names;

pub use crate::config::fuzzing::configs;
pub use crate::log::search::fuzzing::searches;

/// The bytes as a text, whatever is none in them replaced.
pub(crate) fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rand::rngs::SmallRng;
    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Inputs that are made of each target's corpus.
    const CHANCES: u64 = 4000;

    /// Runs every file of a target's corpus, and then what chance makes of them.
    #[track_caller]
    fn replay(target: &str, run: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let files: Vec<Vec<u8>> = std::fs::read_dir(&corpus)
            .unwrap()
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
        assert!(!files.is_empty(), "{} is empty", corpus.display());
        files.iter().for_each(|file| run(file));
        for seed in 0..CHANCES {
            let input = changed(&files, seed);
            // Shown with the failure, should there be one.
            eprintln!("seed {seed}: {}", input.escape_ascii());
            run(&input);
        }
    }

    /// Two files of the corpus with a seam and some changes.
    fn changed(files: &[Vec<u8>], seed: u64) -> Vec<u8> {
        let mut random = SmallRng::seed_from_u64(seed);
        let (one, other) = (files.choose(&mut random).unwrap(), files.choose(&mut random).unwrap());
        let seam = random.random_range(0..=one.len());
        let mut input = [&one[..seam], &other[random.random_range(0..=other.len())..]].concat();
        for _ in 0..random.random_range(0..8) {
            let at = random.random_range(0..=input.len());
            match random.random_range(0..4) {
                0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
                1 if at < input.len() => drop(input.remove(at)),
                2 => input.insert(at, random.random()),
                // Signs of every script, and those that are none.
                _ => {
                    let sign =
                        char::from_u32(random.random_range(0..0x2_0000)).unwrap_or('\u{202e}');
                    input.splice(at..at, sign.to_string().into_bytes());
                }
            }
        }
        input
    }

    #[test]
    fn client_frames_are_parsed_or_refused() {
        replay("client_frames", client_frames);
    }

    #[test]
    fn configurations_are_read_or_refused_with_their_place() {
        replay("configs", configs);
    }

    #[test]
    fn invite_links_are_read_as_they_are_written() {
        replay("invite_links", invite_links);
    }

    #[test]
    fn whatever_is_looked_for_is_data() {
        replay("searches", searches);
    }

    #[test]
    fn user_names_keep_their_rules() {
        replay("user_names", user_names);
    }
}
