//! What is set on a TCP socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// How the kernel keeps a connection.
#[derive(Debug, Clone, Copy)]
pub struct Buffers {
    /// Bytes received that nobody has read; the system may allow fewer.
    pub receive: u32,
    /// Bytes sent that are not acknowledged; the system may allow fewer.
    pub send: u32,
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Buffers {
    /// Fixes both buffers. Before the connection is made, so that the window that the peer is offered is right from the start.
    ///
    /// # Errors
    /// What the system says.
    pub fn apply(self, socket: &impl AsFd) -> io::Result<()> {
        let socket = SockRef::from(socket);
        socket.set_recv_buffer_size(size(self.receive))?;
        socket.set_send_buffer_size(size(self.send))
    }
}

/// Sends at once, and gives the peer up when it acknowledges nothing for `idle`.
///
/// # Errors
/// What the system says.
pub fn lively(socket: &impl AsFd, idle: Duration) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(idle))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))
}

/// A listening socket whose connections have these buffers.
///
/// # Errors
/// What the system says.
pub fn listener(address: SocketAddr, buffers: Buffers) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A coordinator that starts again takes its port back at once.
    socket.set_reuse_address(true)?;
    buffers.apply(&socket)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}
