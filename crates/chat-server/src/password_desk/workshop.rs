//! Argon2 in memory that stays: what is allocated for each password and freed again leaves holes that the next
//! one does not fit into, because small things that last were put there meanwhile. Twenty passwords one after the
//! other took 400 MiB so.

use std::cell::RefCell;

use argon2::password_hash::{
    Decimal, Ident, Output, ParamsString, PasswordHash, PasswordHasher, Result, Salt,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// One thread's memory: as much as the dearest password needed that it ever looked at, and none before the first.
#[derive(Default)]
pub(super) struct Workshop {
    blocks: RefCell<Vec<Block>>,
}

impl PasswordHasher for Workshop {
    type Params = Params;

    fn hash_password_customized<'a>(
        &self,
        password: &[u8],
        algorithm: Option<Ident<'a>>,
        version: Option<Decimal>,
        params: Params,
        salt: impl Into<Salt<'a>>,
    ) -> Result<PasswordHash<'a>> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let (salt, mut salt_bytes) = (salt.into(), [0; Salt::MAX_LENGTH]);
        let salt_bytes = salt.decode_b64(&mut salt_bytes)?;
        let mut blocks = self.blocks.borrow_mut();
        if blocks.len() < params.block_count() {
            blocks.resize(params.block_count(), Block::default());
        }
        let needed = blocks.get_mut(..params.block_count()).unwrap_or_default();
        let argon2 = Argon2::new(algorithm, version, params.clone());
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let hash = Output::init_with(length, |out| {
            Ok(argon2.hash_password_into_with_memory(password, salt_bytes, out, needed)?)
        })?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(salt),
            hash: Some(hash),
        })
    }
}
