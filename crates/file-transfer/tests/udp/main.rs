//! The UDP transfer, both ways, by real sockets on loopback: what arrives, what strangers get, and bad paths.

#[cfg(test)]
mod lossy_proxy;
#[cfg(test)]
mod nat;
#[cfg(test)]
mod udp_node;

#[cfg(test)]
mod address_change;
#[cfg(test)]
mod amplification;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lossy_path;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod upload;
#[cfg(test)]
mod upload_address_change;
#[cfg(test)]
mod whole_upload;
