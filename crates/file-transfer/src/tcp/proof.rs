//! The proofs of the secret, bound to one TLS connection: nobody who forwards or repeats a HELLO can
//! make one for his own.
//!
//! Both are HMAC-SHA256 under the ticket's secret:
//!
//! ```text
//! client   HMAC(secret, "simplechat-file/1 client" │ exporter 32 │ client random 32 │ ticket 777)
//! node     HMAC(secret, "simplechat-file/1 node" │ exporter 32 │ client random 32)
//! ```
//!
//! The exporter is the connection's (RFC 8446, section 7.5) with the label
//! `EXPERIMENTAL simplechat-file/1` and no context.

use aws_lc_rs::hmac;
use rustls::{ClientConnection, ConnectionCommon, ServerConnection};

/// What both sides of one TLS connection, and nobody else, can compute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exporter(pub(crate) [u8; 32]);

const EXPORTER_LABEL: &[u8] = b"EXPERIMENTAL simplechat-file/1";
const CLIENT_LABEL: &[u8] = b"simplechat-file/1 client";
const NODE_LABEL: &[u8] = b"simplechat-file/1 node";

impl Exporter {
    /// On the client's side; the handshake must be complete.
    pub(crate) fn of_client(connection: &ClientConnection) -> Result<Exporter, rustls::Error> {
        Exporter::of(connection)
    }

    /// On the node's side; the handshake must be complete.
    pub(crate) fn of_node(connection: &ServerConnection) -> Result<Exporter, rustls::Error> {
        Exporter::of(connection)
    }

    fn of<Side>(connection: &ConnectionCommon<Side>) -> Result<Exporter, rustls::Error> {
        connection.export_keying_material([0; 32], EXPORTER_LABEL, None).map(Exporter)
    }
}

/// What the client puts into HELLO.
pub(crate) fn of_client(
    secret: &[u8; 32],
    exporter: &Exporter,
    client_random: &[u8; 32],
    ticket: &[u8],
) -> [u8; 32] {
    sign(secret, &[CLIENT_LABEL, &exporter.0, client_random, ticket])
}

/// What the node puts into WELCOME.
pub(crate) fn of_node(
    secret: &[u8; 32],
    exporter: &Exporter,
    client_random: &[u8; 32],
) -> [u8; 32] {
    sign(secret, &[NODE_LABEL, &exporter.0, client_random])
}

/// Compares without telling by its time where the difference is.
pub(crate) fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

fn sign(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    parts.iter().for_each(|part| context.update(part));
    let mut proof = [0; 32];
    proof.copy_from_slice(context.sign().as_ref());
    proof
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(secret: u8, exporter: u8, random: u8, ticket: &[u8]) -> [u8; 32] {
        of_client(&[secret; 32], &Exporter([exporter; 32]), &[random; 32], ticket)
    }

    #[test]
    fn every_part_counts() {
        let proof = client(1, 2, 3, b"ticket");
        assert!(is_equal(&proof, &client(1, 2, 3, b"ticket")));
        for other in [
            client(9, 2, 3, b"ticket"),
            client(1, 9, 3, b"ticket"),
            client(1, 2, 9, b"ticket"),
            client(1, 2, 3, b"tickex"),
            of_node(&[1; 32], &Exporter([2; 32]), &[3; 32]),
        ] {
            assert!(!is_equal(&proof, &other));
        }
    }
}
