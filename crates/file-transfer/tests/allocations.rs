//! The hot path allocates nothing: what a longer file costs more than a shorter one is next to nothing
//! per packet, on both ends together. Alone in its program, because it counts everybody's allocations.

#[cfg(test)]
#[path = "udp/udp_node.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod udp_node;

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::io;
    use std::sync::atomic::AtomicU64;

    use file_transfer::sink::Sink;
    use file_transfer::udp::receive;
    use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
    use tokio_util::sync::CancellationToken;

    use crate::udp_node::{OfferedFile, UdpNode};

    #[global_allocator]
    static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    /// Checks what arrives and keeps nothing.
    struct Comparing<'a>(&'a OfferedFile);

    impl Sink for Comparing<'_> {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let expected = self.0.bytes.get(start..start + bytes.len());
            if expected == Some(bytes) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
        }
    }

    /// Transfers a file of so many MiB; gives packets and allocations, until both ends are done.
    fn transfer(node: &UdpNode, mib: usize) -> (u64, usize) {
        let file = node.offer(mib as u64, mib << 20);
        let config = node.config(&file, 1);
        let allocations = || {
            let stats = COUNTING.stats();
            stats.allocations + stats.reallocations
        };
        let before = allocations();
        let token = CancellationToken::new();
        let received = receive(&config, &mut Comparing(&file), &AtomicU64::new(0), &token);
        received.end.unwrap();
        let report = node.next_report();
        (report.stats.packets_sent, allocations() - before)
    }

    #[test]
    fn a_packet_more_is_no_allocation_more() {
        let node = UdpNode::start();
        // Whatever is set up once in a process, and the rings' growth to their size.
        transfer(&node, 16);
        let (few_packets, few) = transfer(&node, 16);
        let (many_packets, many) = transfer(&node, 96);
        let packets = many_packets - few_packets;
        let allocations = many.saturating_sub(few);
        assert!(packets > 50_000, "{packets} packets");
        assert!(
            allocations as u64 * 100 < packets,
            "{allocations} allocations for {packets} packets: {few} for {few_packets}, {many} for \
             {many_packets}"
        );
    }
}
