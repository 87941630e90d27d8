//! The messages of `proto/chat.proto` as Rust types, generated at build time. The schema's comments
//! are the specification.

#![expect(
    missing_docs,
    reason = "the schema's comments are the documentation, fields without one too"
)]

include!(concat!(env!("OUT_DIR"), "/simplechat.v1.rs"));
