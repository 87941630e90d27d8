//! Downloads over TCP from a real node on loopback, through the public border alone.

mod lab;

use file_transfer::download::{DownloadError, Transport, TransportChoice};
use lab::{Lab, ODD_SIZES};

#[tokio::test]
async fn files_of_odd_sizes_arrive_as_they_are() {
    let lab = Lab::start().await;
    for size in ODD_SIZES {
        let bytes = lab.put("file.bin", size);
        let finished = lab.download("file.bin", TransportChoice::Tcp).await.unwrap();
        assert_eq!(finished.transport, Transport::Tcp);
        assert_eq!(finished.bytes, size as u64);
        assert_eq!(finished.blake3, *blake3::hash(&bytes).as_bytes());
        assert_eq!(std::fs::read(&finished.path).unwrap(), bytes, "{size} bytes");
    }
    assert_eq!(lab.downloads().len(), ODD_SIZES.len(), "nothing else is left");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_unreachable() {
    let lab = Lab::start().await;
    lab.put("file.bin", 10);
    let mut request = lab.request("file.bin", TransportChoice::Tcp);
    request.nodes[0].addr.set_port(1);
    let error = lab.run(request).await.unwrap_err();
    assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
    assert!(lab.downloads().is_empty());
}
