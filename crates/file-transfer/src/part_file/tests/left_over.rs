//! What one download leaves and the next one makes of it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::ops::Range;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use super::*;
use crate::part_file::resume_state::slot_offset;
use crate::piece_hashes::hash_piece;

const MIB: usize = 1 << 20;
/// Three pieces and a short one.
const SIZE: usize = 3 * MIB + 1000;
const STATE: &str = ".file.part.state";

fn bytes(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

/// A folder, the file that is downloaded, and how often what was fetched.
struct Bench {
    dir: TempDir,
    bytes: Vec<u8>,
    version: FileVersion,
    source: SourceId,
}

impl Bench {
    fn new() -> Bench {
        let bytes = bytes(SIZE);
        let (dir, version) = (tempfile::tempdir().unwrap(), version(SIZE as u64));
        Bench { dir, bytes, version, source: SOURCE }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> PartFile {
        PartFile::open(&self.path("file"), &self.version, &self.source).unwrap()
    }

    fn fetch(&self, part: &mut PartFile, range: Range<usize>) {
        for start in range.clone().step_by(100_000) {
            let end = range.end.min(start + 100_000);
            part.write_at(start as u64, &self.bytes[start..end]).unwrap();
        }
    }

    /// A download that fetched so much and then failed; its pieces are hashed if `settled`.
    fn leave(&self, ranges: &[(usize, usize)], settled: bool) {
        let mut part = self.open();
        ranges.iter().for_each(|(start, end)| self.fetch(&mut part, *start..*end));
        if settled {
            part.settle(&CancellationToken::new()).unwrap();
        }
    }

    /// Fetches whatever is missing, as often as it takes; gives all that was fetched.
    #[track_caller]
    fn finish(&self, mut part: PartFile) -> RangeSet {
        let root = *blake3::hash(&self.bytes).as_bytes();
        let mut fetched = RangeSet::new();
        for _ in 0..5 {
            let missing = part.missing();
            for range in missing.iter() {
                let index = |at: u64| usize::try_from(at).unwrap();
                self.fetch(&mut part, index(range.start)..index(range.end));
            }
            fetched.insert_all(&missing);
            part.settle(&CancellationToken::new()).unwrap();
            if !part.missing().is_empty() {
                continue;
            }
            if part.is_verified(&root) {
                let path = part.finish(&root).unwrap();
                assert!(fs::read(&path).unwrap() == self.bytes);
                let names = names(&self.dir);
                let ending = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
                assert_eq!(
                    ending(".state"),
                    ending(".part"),
                    "a state without its part: {names:?}"
                );
                return fetched;
            }
            let differing = part.differing(0, &self.pieces(), &CancellationToken::new());
            part.repair(root, BTreeMap::from_iter(differing));
        }
        panic!("five rounds were not enough");
    }

    /// What the server would say.
    fn pieces(&self) -> Vec<PieceHash> {
        let size = self.version.size;
        let pieces = (0..).zip(self.bytes.chunks(MIB));
        pieces.map(|(piece, bytes)| hash_piece(size, piece, bytes)).collect()
    }

    /// Changes a file of the folder.
    fn damage(&self, name: &str, offset: u64, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).open(self.path(name)).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    /// Leaves everything but the last bytes, does something to it, and checks what is fetched again.
    #[track_caller]
    fn check(tamper: impl Fn(&Bench), fetched: &[(usize, usize)]) {
        for settled in [true, false] {
            let bench = Bench::new();
            bench.leave(&[(0, 3 * MIB + 10)], settled);
            assert_eq!(names(&bench.dir), [STATE, "file.part"]);
            tamper(&bench);
            let expected: RangeSet =
                fetched.iter().map(|(start, end)| *start as u64..*end as u64).collect();
            assert_eq!(bench.finish(bench.open()), expected, "settled: {settled}");
        }
    }
}

const LAST: (usize, usize) = (3 * MIB, SIZE);

#[test]
fn whole_pieces_are_kept() {
    Bench::check(|_| {}, &[LAST]);
}

#[test]
fn pieces_that_were_not_hashed_are_kept_too() {
    let bench = Bench::new();
    bench.leave(&[(2 * MIB, SIZE), (10, 2 * MIB)], false);
    let part = bench.open();
    assert_eq!(part.kept_bytes(), (SIZE - MIB) as u64);
    assert_eq!(bench.finish(part), RangeSet::of(0..MIB as u64));
}

#[test]
fn a_part_without_one_whole_piece_is_not_left() {
    let bench = Bench::new();
    bench.leave(&[(1, 2 * MIB - 1)], true);
    assert!(names(&bench.dir).is_empty());
}

#[test]
fn a_complete_part_that_was_not_named_needs_nothing() {
    let bench = Bench::new();
    bench.leave(&[(0, SIZE)], true);
    assert!(bench.finish(bench.open()).is_empty());
}

#[test]
fn a_damaged_piece_comes_again() {
    Bench::check(|bench| bench.damage("file.part", MIB as u64 + 5, b"x"), &[(MIB, 2 * MIB), LAST]);
}

#[test]
fn a_piece_behind_the_end_of_a_part_that_was_cut_comes_again() {
    let cut = |bench: &Bench| {
        let file = OpenOptions::new().write(true).open(bench.path("file.part")).unwrap();
        file.set_len(2 * MIB as u64 - 1).unwrap();
    };
    Bench::check(cut, &[(MIB, SIZE)]);
}

#[test]
fn a_hash_that_was_edited_costs_its_piece() {
    Bench::check(|bench| bench.damage(STATE, slot_offset(1), &[5; 32]), &[(MIB, 2 * MIB), LAST]);
}

#[test]
fn a_piece_that_is_marked_and_not_there_comes_again() {
    Bench::check(|bench| bench.damage(STATE, slot_offset(3), &[0xff; 32]), &[LAST]);
}

#[test]
fn a_part_without_its_state_is_looked_at_once_more() {
    Bench::check(|bench| fs::remove_file(bench.path(STATE)).unwrap(), &[LAST]);
    Bench::check(|bench| bench.damage(STATE, 3, b"x"), &[LAST]);
}

#[test]
fn a_link_in_place_of_the_state_is_not_followed() {
    let bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    fs::write(bench.path("victim"), "mine").unwrap();
    fs::remove_file(bench.path(STATE)).unwrap();
    symlink("victim", bench.path(STATE)).unwrap();
    assert_eq!(bench.finish(bench.open()), RangeSet::of(2 * MIB as u64..SIZE as u64));
    assert_eq!(fs::read(bench.path("victim")).unwrap(), b"mine");
    assert_eq!(names(&bench.dir), ["file", "victim"]);
}

#[test]
fn somebody_elses_state_is_left_as_it_is() {
    let bench = Bench::new();
    fs::write(bench.path(STATE), "mine").unwrap();
    let part = bench.open();
    assert_eq!(names(&bench.dir), [".file (1).part.state", STATE, "file (1).part"]);
    drop(part);
    symlink("nowhere", bench.path(".file (1).part.state")).unwrap();
    let part = bench.open();
    assert!(bench.path("file (2).part").exists());
    drop(part);
    assert_eq!(fs::read(bench.path(STATE)).unwrap(), b"mine");
    assert_eq!(names(&bench.dir), [".file (1).part.state", STATE]);
}

#[test]
fn a_folder_in_place_of_the_state_only_prevents_resuming() {
    let bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    fs::remove_file(bench.path(STATE)).unwrap();
    fs::create_dir(bench.path(STATE)).unwrap();
    let root = *blake3::hash(&bench.bytes).as_bytes();
    let mut part = bench.open();
    bench.fetch(&mut part, 2 * MIB..SIZE);
    part.settle(&CancellationToken::new()).unwrap();
    part.finish(&root).unwrap();
    assert_eq!(names(&bench.dir), [STATE, "file"]);
}

#[test]
fn a_state_whose_part_is_gone_is_used_again() {
    let bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    fs::remove_file(bench.path("file.part")).unwrap();
    let part = bench.open();
    assert_eq!((part.kept_bytes(), part.started_anew()), (0, false));
    assert_eq!(bench.finish(part), RangeSet::of(0..SIZE as u64));
}

#[test]
fn a_part_that_was_swapped_for_another_of_ours_is_found_damaged() {
    let bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    bench.damage("file.part", 0, &vec![9; 2 * MIB]);
    let fetched = bench.finish(bench.open());
    assert_eq!(fetched, RangeSet::of(0..SIZE as u64));
}

#[test]
fn another_version_starts_anew_and_says_so() {
    let mut bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    bench.version.modified_ns += 1;
    let part = bench.open();
    assert_eq!((part.kept_bytes(), part.started_anew()), (0, true));
    assert_eq!(fs::metadata(bench.path("file.part")).unwrap().len(), 0);
    assert_eq!(bench.finish(part), RangeSet::of(0..SIZE as u64));
}

#[test]
fn of_several_left_overs_the_one_of_this_version_is_taken() {
    let mut bench = Bench::new();
    let wanted = bench.version;
    bench.version.modified_ns += 1;
    let mut other = bench.open();
    bench.fetch(&mut other, 0..MIB);
    bench.version = wanted;
    bench.leave(&[(0, 2 * MIB)], true);
    drop(other);
    let part = bench.open();
    assert_eq!((part.kept_bytes(), part.started_anew()), (2 * MIB as u64, false));
    assert!(bench.path("file.part").exists(), "the other one may be continued as well");
}

/// Bytes of another file that is to be saved under the same name, from another server say.
#[test]
fn the_part_of_another_file_of_that_name_is_kept() {
    for size in [SIZE as u64, MIB as u64 + 1] {
        let mut bench = Bench::new();
        bench.leave(&[(0, 2 * MIB)], true);
        let (first, bytes) = (bench.source, bench.bytes.clone());
        bench.source = SourceId([2; 32]);
        // Even where size and time are the same.
        bench.version.size = size;
        bench.bytes = bytes.iter().rev().copied().take(usize::try_from(size).unwrap()).collect();
        let part = bench.open();
        assert_eq!((part.kept_bytes(), part.started_anew()), (0, false));
        assert_eq!(bench.finish(part), RangeSet::of(0..size));
        assert_eq!(names(&bench.dir), [STATE, "file", "file.part"]);
        (bench.source, bench.version, bench.bytes) = (first, version(SIZE as u64), bytes);
        let part = bench.open();
        assert_eq!(part.kept_bytes(), 2 * MIB as u64);
        let fetched = RangeSet::of(2 * MIB as u64..SIZE as u64);
        drop(part);
        fs::remove_file(bench.path("file")).unwrap();
        assert_eq!(bench.finish(bench.open()), fetched);
    }
}

/// Left by a version of this program that did not say which file a part is of.
fn leave_old_state(bench: &Bench) {
    bench.leave(&[(0, 2 * MIB)], true);
    let header = Header { version: bench.version, source: None };
    let state = [header.encode(), vec![0xff; 32], vec![0; 32]].concat();
    fs::write(bench.path(STATE), state).unwrap();
}

#[test]
fn a_state_that_does_not_say_which_file_it_is_of_is_gone_on_with_if_size_and_time_are_the_same() {
    let bench = Bench::new();
    leave_old_state(&bench);
    let part = bench.open();
    assert_eq!((part.kept_bytes(), part.started_anew()), (MIB as u64, false));
    drop(part);
    // It says so from now on.
    assert_eq!(fs::read(bench.path(STATE)).unwrap()[7], 2);
    let part = bench.open();
    assert_eq!(part.kept_bytes(), MIB as u64);
    assert_eq!(bench.finish(part), RangeSet::of(MIB as u64..SIZE as u64));
    assert_eq!(names(&bench.dir), ["file"]);
}

#[test]
fn a_state_that_does_not_say_which_file_it_is_of_is_not_given_up_for_another_version() {
    let mut bench = Bench::new();
    leave_old_state(&bench);
    bench.version.modified_ns += 1;
    bench.finish(bench.open());
    assert_eq!(names(&bench.dir), [STATE, "file", "file.part"]);
    assert_eq!(fs::metadata(bench.path("file.part")).unwrap().len(), 2 * MIB as u64);
}

#[test]
fn what_is_left_of_a_file_can_be_discarded_by_its_place() {
    let mut bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    bench.source = SourceId([2; 32]);
    bench.version.modified_ns += 1;
    bench.leave(&[(0, MIB)], true);
    let both = [".file (1).part.state", STATE, "file (1).part", "file.part"];
    assert_eq!(names(&bench.dir), both);
    let discard = |source| PartFile::discard_left_overs(&bench.path("file"), &source).unwrap();
    discard(SourceId([3; 32]));
    assert_eq!(names(&bench.dir), both, "they are of other files");
    let part = bench.open();
    discard(SourceId([2; 32]));
    assert_eq!(names(&bench.dir), both, "it is in use");
    drop(part);
    discard(SourceId([2; 32]));
    assert_eq!(names(&bench.dir), [STATE, "file.part"]);
    discard(SOURCE);
    assert!(names(&bench.dir).is_empty());
}

#[test]
fn a_part_in_use_is_not_taken() {
    let bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    let (first, second) = (bench.open(), bench.open());
    assert_eq!((first.kept_bytes(), second.kept_bytes()), (2 * MIB as u64, 0));
}

#[test]
fn a_discarded_part_takes_its_state_with_it() {
    let bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    bench.open().discard();
    assert!(names(&bench.dir).is_empty());
}

#[test]
fn everything_can_be_forgotten() {
    let bench = Bench::new();
    bench.leave(&[(0, 2 * MIB)], true);
    let mut part = bench.open();
    part.settle(&CancellationToken::new()).unwrap();
    part.forget();
    assert_eq!(part.kept_bytes(), 0);
    drop(part);
    assert!(names(&bench.dir).is_empty(), "there is nothing of use in it");
}

#[test]
fn a_piece_that_differs_again_is_missing_again() {
    let bench = Bench::new();
    let mut part = bench.open();
    part.write_at(0, &vec![9; MIB]).unwrap();
    bench.fetch(&mut part, MIB..SIZE);
    part.settle(&CancellationToken::new()).unwrap();
    let root = *blake3::hash(&bench.bytes).as_bytes();
    assert!(!part.is_verified(&root));
    let differing = part.differing(0, &bench.pieces(), &CancellationToken::new());
    assert_eq!(differing, [(0, bench.pieces()[0])]);
    part.repair(root, BTreeMap::from_iter(differing));
    part.write_at(0, &vec![8; MIB]).unwrap();
    part.settle(&CancellationToken::new()).unwrap();
    assert!(!part.is_verified(&root));
    assert_eq!(part.missing(), RangeSet::of(0..MIB as u64));
    bench.finish(part);
}

/// Any order of fetching, failing, damaging and taking over ends with the file, and what is fetched
/// again is what was damaged or not complete.
#[test]
fn any_life_ends_with_the_file() {
    for seed in 0..40 {
        let mut random = Pcg64::seed_from_u64(seed);
        let mut below = |end: usize| random.next_u32() as usize % end;
        let bench = Bench::new();
        let pieces = SIZE.div_ceil(MIB);
        let mut part = bench.open();
        for _ in 0..below(12) {
            match below(4) {
                0 => {
                    drop(part);
                    if below(3) == 0 && bench.path("file.part").exists() {
                        bench.damage("file.part", below(SIZE) as u64, b"??");
                    }
                    if below(3) == 0 && bench.path(STATE).exists() {
                        let end = slot_offset(pieces as u64);
                        bench.damage(STATE, below(usize::try_from(end).unwrap()) as u64, b"??");
                    }
                    part = bench.open();
                }
                1 => part.settle(&CancellationToken::new()).unwrap(),
                _ => {
                    let start = below(SIZE);
                    bench.fetch(&mut part, start..SIZE.min(start + below(2 * MIB)));
                }
            }
        }
        bench.finish(part);
        assert_eq!(names(&bench.dir), ["file"], "seed {seed}");
    }
}
