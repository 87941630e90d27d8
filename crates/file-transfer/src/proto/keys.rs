//! Cipher suites, the key schedule, and sealing and opening of packets.
//!
//! ```text
//! hello     = HKDF(salt = client random, secret)      → key of HELLO's body
//! transcript = SHA-256(HELLO ‖ session id ‖ server random)
//! session   = HKDF(salt = transcript, secret)         → key of WELCOME's body,
//!                                                       one secret for each direction
//! secret[g] → key[g], iv[g], secret[g + 1]               generation g = number >> 22
//! nonce     = iv[g] xor number
//! ```
//!
//! Server randomness is in every traffic key, so a restarted node, a second node or a second start
//! from one ticket never meets a used nonce.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use super::limits::{FORGERIES_MAX, GENERATION_SHIFT, HEADER_BYTES, NUMBER_MAX, TAG_BYTES};
use super::packet::Header;

const LABEL_HELLO: &[u8] = b"simplechat-file/1 hello";
const LABEL_WELCOME: &[u8] = b"simplechat-file/1 welcome";
const LABEL_CLIENT: &[u8] = b"simplechat-file/1 client to server";
const LABEL_SERVER: &[u8] = b"simplechat-file/1 server to client";
const LABEL_KEY: &[u8] = b"simplechat-file/1 key";
const LABEL_IV: &[u8] = b"simplechat-file/1 iv";
const LABEL_NEXT: &[u8] = b"simplechat-file/1 next";

/// How packets are sealed, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CipherSuite {
    /// AES-128-GCM, where both processors have instructions for it.
    Aes128Gcm = 1,
    /// ChaCha20-Poly1305 everywhere else.
    ChaCha20Poly1305 = 2,
}

impl CipherSuite {
    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }

    pub(crate) fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Aes128Gcm),
            2 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }
}

/// The suites one end can use at full speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherSuites {
    /// Whether this processor has AES instructions. ChaCha20-Poly1305 is always there.
    pub aes: bool,
}

impl CipherSuites {
    /// What this processor is good at.
    #[must_use]
    pub fn of_this_machine() -> Self {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let aes = std::arch::is_x86_feature_detected!("aes");
        #[cfg(target_arch = "aarch64")]
        let aes = std::arch::is_aarch64_feature_detected!("aes");
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
        let aes = false;
        Self { aes }
    }

    /// The suite that both ends are good at.
    #[must_use]
    pub fn choose(self, other: Self) -> CipherSuite {
        if self.aes && other.aes { CipherSuite::Aes128Gcm } else { CipherSuite::ChaCha20Poly1305 }
    }

    pub(crate) fn wire(self) -> u8 {
        0b10 | u8::from(self.aes)
    }

    pub(crate) fn from_wire(mask: u8) -> Option<Self> {
        (mask & 0b10 != 0).then_some(Self { aes: mask & 1 != 0 })
    }
}

/// Traffic keys of one end of a session.
#[derive(Debug)]
pub struct SessionKeys {
    /// Seals what this end sends.
    pub sealing: SealingKeys,
    /// Opens what the other end sends.
    pub opening: OpeningKeys,
}

/// The secrets that HELLO, session id and server random lead to.
#[derive(Debug)]
pub(crate) struct SessionSecrets {
    prk: Prk,
}

impl SessionSecrets {
    pub(crate) fn derive(
        secret: &[u8; 32],
        hello: &[u8],
        session_id: u64,
        server_random: &[u8; 32],
    ) -> Self {
        let mut transcript = digest::Context::new(&SHA256);
        transcript.update(hello);
        transcript.update(&session_id.to_be_bytes());
        transcript.update(server_random);
        let prk = Salt::new(HKDF_SHA256, transcript.finish().as_ref()).extract(secret);
        Self { prk }
    }

    pub(crate) fn welcome_key(&self) -> OneTimeKey {
        OneTimeKey::new(&self.prk, LABEL_WELCOME)
    }

    pub(crate) fn client_keys(&self, suite: CipherSuite) -> SessionKeys {
        self.keys(suite, LABEL_CLIENT, LABEL_SERVER)
    }

    pub(crate) fn server_keys(&self, suite: CipherSuite) -> SessionKeys {
        self.keys(suite, LABEL_SERVER, LABEL_CLIENT)
    }

    fn keys(&self, suite: CipherSuite, sends: &[u8], receives: &[u8]) -> SessionKeys {
        SessionKeys {
            sealing: SealingKeys::new(suite, expand(&self.prk, sends)),
            opening: OpeningKeys::new(suite, expand(&self.prk, receives)),
        }
    }
}

/// A key that seals exactly one message (under AES-128-GCM with the zero nonce).
pub(crate) struct OneTimeKey(LessSafeKey);

impl OneTimeKey {
    /// The key of a HELLO's body.
    pub(crate) fn of_hello(secret: &[u8; 32], client_random: &[u8; 32]) -> Self {
        Self::new(&Salt::new(HKDF_SHA256, client_random).extract(secret), LABEL_HELLO)
    }

    fn new(prk: &Prk, label: &[u8]) -> Self {
        Self(aead_key(&AES_128_GCM, &expand::<16>(prk, label)))
    }

    /// Seals `body` in place and gives the tag.
    pub(crate) fn seal(&self, aad: &[u8], body: &mut [u8]) -> [u8; TAG_BYTES] {
        seal(&self.0, [0; 12], aad, body)
    }

    /// Opens `sealed` (body and tag) in place.
    pub(crate) fn open<'a>(&self, aad: &[u8], sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        self.0.open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::from(aad), sealed).ok()
    }
}

/// Key and IV of one generation.
struct GenerationKey {
    generation: u64,
    key: LessSafeKey,
    iv: [u8; 12],
}

impl GenerationKey {
    fn nonce(&self, number: u64) -> [u8; 12] {
        let [i0, i1, i2, i3, low @ ..] = self.iv;
        let [n0, n1, n2, n3, n4, n5, n6, n7] = (u64::from_be_bytes(low) ^ number).to_be_bytes();
        [i0, i1, i2, i3, n0, n1, n2, n3, n4, n5, n6, n7]
    }
}

/// The chain of secrets of one direction; gives key after key and never goes back.
struct Ratchet {
    suite: CipherSuite,
    secret: [u8; 32],
    generation: u64,
}

impl Ratchet {
    /// Key of the generation the ratchet stands at; the ratchet goes one on.
    fn advance(&mut self) -> GenerationKey {
        let prk = Prk::new_less_safe(HKDF_SHA256, &self.secret);
        let algorithm = self.suite.algorithm();
        let key = match self.suite {
            CipherSuite::Aes128Gcm => aead_key(algorithm, &expand::<16>(&prk, LABEL_KEY)),
            CipherSuite::ChaCha20Poly1305 => aead_key(algorithm, &expand::<32>(&prk, LABEL_KEY)),
        };
        let made = GenerationKey { generation: self.generation, key, iv: expand(&prk, LABEL_IV) };
        self.secret = expand(&prk, LABEL_NEXT);
        self.generation += 1;
        made
    }
}

/// Seals the packets of one direction.
pub struct SealingKeys {
    ratchet: Ratchet,
    current: GenerationKey,
}

impl SealingKeys {
    fn new(suite: CipherSuite, secret: [u8; 32]) -> Self {
        let mut ratchet = Ratchet { suite, secret, generation: 0 };
        let current = ratchet.advance();
        Self { ratchet, current }
    }

    /// Makes the key of `number`'s generation the current one. Numbers only ever grow.
    pub(crate) fn prepare(&mut self, number: u64) {
        while self.current.generation < number >> GENERATION_SHIFT {
            self.current = self.ratchet.advance();
        }
    }

    /// Writes header and tag into `datagram` (header, body, room for the tag) and seals the body in
    /// place. The key must have been [`prepare`](Self::prepare)d.
    pub(crate) fn seal(&self, header: &Header, datagram: &mut [u8]) {
        debug_assert!(
            header.number <= NUMBER_MAX && header.generation() == self.current.generation
        );
        let Some((head, rest)) = datagram.split_first_chunk_mut::<HEADER_BYTES>() else {
            return debug_assert!(false, "a datagram has room for its header");
        };
        let Some((body, tag)) = rest.split_last_chunk_mut::<TAG_BYTES>() else {
            return debug_assert!(false, "a datagram has room for its tag");
        };
        *head = header.encode();
        *tag = seal(&self.current.key, self.current.nonce(header.number), head, body);
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKeys").field("generation", &self.current.generation).finish()
    }
}

/// Opens the packets of one direction, keeping the previous, the current and the next generation.
pub struct OpeningKeys {
    ratchet: Ratchet,
    previous: Option<GenerationKey>,
    current: GenerationKey,
    next: GenerationKey,
    forgeries: u64,
}

impl OpeningKeys {
    fn new(suite: CipherSuite, secret: [u8; 32]) -> Self {
        let mut ratchet = Ratchet { suite, secret, generation: 0 };
        let current = ratchet.advance();
        let next = ratchet.advance();
        Self { ratchet, previous: None, current, next, forgeries: 0 }
    }

    /// Opens `datagram` in place and gives its body; `None` if it does not authenticate, which is
    /// counted, or belongs to a generation that is not at hand, which costs nothing.
    pub(crate) fn open<'a>(
        &mut self,
        header: &Header,
        datagram: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let generation = header.generation();
        let key = [Some(&self.current), Some(&self.next), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.generation == generation)?;
        let nonce = Nonce::assume_unique_for_key(key.nonce(header.number));
        let (head, sealed) = datagram.split_first_chunk_mut::<HEADER_BYTES>()?;
        let (body, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>()?;
        // Given body and tag in one, the library would copy the body onto itself afterwards.
        let Ok(body) = key.key.open_in_place_separate_tag(nonce, Aad::from(&*head), tag, body)
        else {
            self.forgeries += 1;
            return None;
        };
        if generation == self.next.generation {
            self.go_on();
        }
        Some(body)
    }

    /// Packets that did not authenticate.
    #[must_use]
    pub fn forgeries(&self) -> u64 {
        self.forgeries
    }

    /// Whether so many forgeries were tried that the keys must not be used any longer.
    #[must_use]
    pub fn worn_out(&self) -> bool {
        self.forgeries >= FORGERIES_MAX
    }

    fn go_on(&mut self) {
        let after_next = self.ratchet.advance();
        let current = std::mem::replace(&mut self.next, after_next);
        self.previous = Some(std::mem::replace(&mut self.current, current));
    }
}

impl fmt::Debug for OpeningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpeningKeys")
            .field("generation", &self.current.generation)
            .field("forgeries", &self.forgeries)
            .finish()
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[expect(clippy::expect_used, reason = "HKDF-Expand fails only above 255 × 32 bytes; we take ≤ 32")]
fn expand<const N: usize>(prk: &Prk, label: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    prk.expand(&[label], Length(N)).and_then(|okm| okm.fill(&mut out)).expect("length in bounds");
    out
}

#[expect(
    clippy::expect_used,
    reason = "the callers' arrays have the length of the algorithm's key"
)]
fn aead_key(algorithm: &'static Algorithm, key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(algorithm, key).expect("key of the algorithm's length"))
}

#[expect(
    clippy::expect_used,
    reason = "AEAD sealing fails only above 2³⁶ bytes; ours are datagrams"
)]
fn seal(key: &LessSafeKey, nonce: [u8; 12], aad: &[u8], body: &mut [u8]) -> [u8; TAG_BYTES] {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), body).expect("short body");
    tag.as_ref().try_into().expect("both suites have 16-byte tags")
}

#[cfg(test)]
mod tests {
    use super::super::packet::PacketKind;
    use super::*;

    fn pair(suite: CipherSuite) -> (SessionKeys, SessionKeys) {
        let secrets = SessionSecrets::derive(&[7; 32], b"hello", 5, &[9; 32]);
        (secrets.client_keys(suite), secrets.server_keys(suite))
    }

    fn sealed(keys: &mut SealingKeys, number: u64) -> Vec<u8> {
        let mut datagram = [&[0; 16][..], b"body", &[0; 16]].concat();
        keys.prepare(number);
        keys.seal(&Header { kind: PacketKind::Data, session_id: 5, number }, &mut datagram);
        datagram
    }

    #[track_caller]
    fn opens(keys: &mut OpeningKeys, mut datagram: Vec<u8>) -> bool {
        let header = Header::decode(&datagram).expect("a header");
        keys.open(&header, &mut datagram).is_some_and(|body| body == b"body")
    }

    #[test]
    fn both_suites_open_what_the_other_end_sealed() {
        for suite in [CipherSuite::Aes128Gcm, CipherSuite::ChaCha20Poly1305] {
            let (mut client, mut server) = pair(suite);
            assert!(opens(&mut server.opening, sealed(&mut client.sealing, 0)));
            assert!(opens(&mut client.opening, sealed(&mut server.sealing, 0)));
            // Directions have keys of their own: a reflected packet is a forgery.
            assert!(!opens(&mut client.opening, sealed(&mut client.sealing, 1)));
            assert_eq!(client.opening.forgeries(), 1);
        }
    }

    #[test]
    fn every_flipped_bit_is_a_forgery() {
        let (mut client, mut server) = pair(CipherSuite::Aes128Gcm);
        let good = sealed(&mut client.sealing, 3);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Some(header) = Header::decode(&bad) {
                assert!(server.opening.open(&header, &mut bad).is_none(), "bit {bit}");
            }
        }
        assert!(opens(&mut server.opening, good));
    }

    #[test]
    fn generations_follow_the_number_and_old_ones_go() {
        let (mut client, mut server) = pair(CipherSuite::ChaCha20Poly1305);
        let generation = |g: u64| g << GENERATION_SHIFT;
        let first = sealed(&mut client.sealing, generation(1) - 1);
        let late = sealed(&mut client.sealing, generation(1));
        assert!(opens(&mut server.opening, late.clone()));
        assert!(
            opens(&mut server.opening, first.clone()),
            "the previous generation is still known"
        );
        assert!(opens(&mut server.opening, sealed(&mut client.sealing, generation(2) + 7)));
        assert!(!opens(&mut server.opening, first), "the one before is not");
        assert!(opens(&mut server.opening, late));
        assert_eq!(server.opening.forgeries(), 0, "a missing generation is no forgery");
        let far = sealed(&mut client.sealing, generation(5));
        assert!(!opens(&mut server.opening, far), "nor is one beyond the next");
        assert_eq!(server.opening.forgeries(), 0);
    }

    #[test]
    fn each_part_of_the_transcript_changes_the_keys() {
        let base = || SessionSecrets::derive(&[7; 32], b"hello", 5, &[9; 32]);
        let others = [
            SessionSecrets::derive(&[8; 32], b"hello", 5, &[9; 32]),
            SessionSecrets::derive(&[7; 32], b"hellp", 5, &[9; 32]),
            SessionSecrets::derive(&[7; 32], b"hello", 6, &[9; 32]),
            SessionSecrets::derive(&[7; 32], b"hello", 5, &[8; 32]),
        ];
        for other in others {
            let mut client = base().client_keys(CipherSuite::Aes128Gcm);
            let mut server = other.server_keys(CipherSuite::Aes128Gcm);
            assert!(!opens(&mut server.opening, sealed(&mut client.sealing, 0)));
        }
    }
}
