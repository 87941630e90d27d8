//! The one call that no safe interface has: making a TUN device.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use rustix::ioctl::{Opcode, Setter, ioctl};

/// `linux/if_tun.h`
const TUNSETIFF: Opcode = 0x4004_54ca;
const IFF_TUN: u16 = 0x0001;
/// Packets without a header of the driver's own.
const IFF_NO_PI: u16 = 0x1000;
/// `linux/if.h`: with the zero at its end.
const NAME_BYTES: usize = 16;

/// `struct ifreq` of `linux/if.h`, as `TUNSETIFF` reads it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_BYTES],
    flags: u16,
    unused: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);

/// A non-blocking TUN device called `name`, in the network namespace of the calling thread. It exists
/// until the descriptor is closed, whatever namespace that is used in.
pub(super) fn open(name: &str) -> Result<File> {
    ensure!(name.len() < NAME_BYTES, "{name}: too long for a device");
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let device = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/net/tun");
    let device = device.context("/dev/net/tun")?;
    let mut request =
        InterfaceRequest { name: [0; NAME_BYTES], flags: IFF_TUN | IFF_NO_PI, unused: [0; 22] };
    for (to, from) in request.name.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    set_interface(&device, request).context("TUNSETIFF")?;
    Ok(device)
}

#[expect(
    unsafe_code,
    reason = "the kernel makes TUN devices by ioctl only, and no crate wraps this one"
)]
fn set_interface(device: &File, request: InterfaceRequest) -> rustix::io::Result<()> {
    // SAFETY: TUNSETIFF takes a pointer to one `struct ifreq`, whose 40 bytes InterfaceRequest has, reads
    // its name and flags, and writes the name back into it at most; the descriptor is a TUN device's.
    unsafe { ioctl(device, Setter::<TUNSETIFF, InterfaceRequest>::new(request)) }
}
