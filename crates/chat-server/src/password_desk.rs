//! Checks passwords and makes what is stored of them: Argon2id (RFC 9106), on threads of its own, a few at a time
//! and a bounded number in line, so that a crowd of guesses costs neither the chat's time nor memory.

mod workshop;

use std::num::NonZero;
use std::thread;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Params, Version};
use tokio::sync::mpsc;

use crate::hub::Input;
use crate::password_desk::workshop::Workshop;
use crate::state::passwords::{PasswordKind, PasswordResult, PasswordTask};

/// Passwords that wait to be looked at; beyond it `SERVER_BUSY`.
const WAITING_MAX: usize = 64;

/// Threads at most: each takes [`MEMORY_KIB`] from its first password on.
const THREADS_MAX: usize = 4;

/// OWASP's first choice of the smaller ones: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What a password of nobody is compared with: made with the same cost, of a password that nobody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2ltcGxlLWNoYXQtbm9ib2R5$K8UmTLeYAAF4dRHrmqqPHYNbcVYdhmaq8zQyI/TJF9M";

/// The way to the threads. They end with it.
pub(crate) struct PasswordDesk {
    tasks: async_channel::Sender<PasswordTask>,
}

impl PasswordDesk {
    /// Starts as many threads as the machine has cores, at most four. Those that the system does not give are
    /// missing; without any, every password is one too many.
    pub(crate) fn start(hub: &mpsc::Sender<Input>) -> Self {
        let (tasks, waiting) = async_channel::bounded::<PasswordTask>(WAITING_MAX);
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        for number in 0..cores.min(THREADS_MAX) {
            let (waiting, hub) = (waiting.clone(), hub.clone());
            let name = format!("password-{number}");
            let started = thread::Builder::new().name(name).spawn(move || serve(&waiting, &hub));
            if let Err(error) = started {
                tracing::error!(%error, "no thread for passwords");
            }
        }
        Self { tasks }
    }

    /// Never waits; the hub is told the result.
    ///
    /// # Errors
    /// The task, if too many wait.
    pub(crate) fn take(&self, task: PasswordTask) -> Result<(), PasswordTask> {
        self.tasks.try_send(task).map_err(async_channel::TrySendError::into_inner)
    }
}

fn serve(waiting: &async_channel::Receiver<PasswordTask>, hub: &mpsc::Sender<Input>) {
    let workshop = Workshop::default();
    while let Ok(task) = waiting.recv_blocking() {
        let (ticket, result) = (task.ticket, work(&workshop, &task));
        // The thread waits while the hub is busy.
        if hub.blocking_send(Input::Password { ticket, result }).is_err() {
            return;
        }
    }
}

fn work(workshop: &Workshop, task: &PasswordTask) -> PasswordResult {
    let password = task.password.as_bytes();
    match &task.kind {
        PasswordKind::Check(Some(hash)) => {
            PasswordResult::Checked(is_right(workshop, password, hash))
        }
        PasswordKind::Check(None) => {
            // Whatever comes of it: there is no such account.
            let _ = is_right(workshop, password, NOBODYS);
            PasswordResult::Checked(false)
        }
        PasswordKind::Hash { salt } => match hash(workshop, password, salt) {
            Ok(hash) => PasswordResult::Hashed(hash),
            Err(error) => {
                tracing::error!(%error, "a password cannot be hashed");
                PasswordResult::Busy
            }
        },
    }
}

fn is_right(workshop: &Workshop, password: &[u8], stored: &str) -> bool {
    // With the cost that it was made with, which an earlier version may have chosen.
    PasswordHash::new(stored).and_then(|stored| workshop.verify_password(password, &stored)).is_ok()
}

fn hash(
    workshop: &Workshop,
    password: &[u8],
    salt: &[u8],
) -> argon2::password_hash::Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    let salt = SaltString::encode_b64(salt)?;
    let (algorithm, version) = (Algorithm::Argon2id.ident(), Version::V0x13.into());
    let hash = workshop.hash_password_customized(
        password,
        Some(algorithm),
        Some(version),
        params,
        &salt,
    )?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::Argon2;

    use super::*;

    fn is_right(password: &[u8], stored: &str) -> bool {
        super::is_right(&Workshop::default(), password, stored)
    }

    fn hash(password: &[u8], salt: &[u8]) -> argon2::password_hash::Result<String> {
        super::hash(&Workshop::default(), password, salt)
    }

    #[test]
    fn what_is_stored_knows_its_password_and_no_other() {
        let stored = hash(b"correct horse", &[7; 16]).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(is_right(b"correct horse", &stored));
        assert!(!is_right(b"correct horse ", &stored));
        assert_ne!(stored, hash(b"correct horse", &[8; 16]).unwrap());
    }

    #[test]
    fn what_was_stored_with_another_cost_still_counts() {
        let params = Params::new(64, 1, 1, None).unwrap();
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let stored = cheap.hash_password(b"correct horse", &salt).unwrap().to_string();
        assert!(is_right(b"correct horse", &stored));
        assert!(!is_right(b"correct", "no hash at all"));
    }

    #[test]
    fn what_a_dear_password_left_behind_changes_nothing_for_a_cheap_one() {
        let workshop = Workshop::default();
        let dear = super::hash(&workshop, b"correct horse", &[7; 16]).unwrap();
        let params = Params::new(64, 1, 1, None).unwrap();
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let cheap = cheap.hash_password(b"battery staple", &salt).unwrap().to_string();
        for _ in 0..2 {
            assert!(super::is_right(&workshop, b"battery staple", &cheap));
            assert!(super::is_right(&workshop, b"correct horse", &dear));
            assert!(!super::is_right(&workshop, b"correct horse", &cheap));
        }
        let plain =
            Argon2::default().verify_password(b"correct horse", &PasswordHash::new(&dear).unwrap());
        assert_eq!(plain, Ok(()), "it is what others make of it");
    }

    #[test]
    fn nobodys_password_costs_what_others_do() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        let params = Params::try_from(&nobodys).unwrap();
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (MEMORY_KIB, PASSES, LANES)
        );
        assert!(nobodys.hash.is_some());
    }
}
