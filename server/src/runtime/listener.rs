//! Accepting connections on one core.
//!
//! What must hold: a process out of descriptors does not spin (it waits, connections queue in the kernel); a failed accept never ends the
//! listener; every accepted socket is owned from its first moment.

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use futures_lite::future::or;

use super::executor::sleep;
use super::os::{self, Sharing};
use super::socket::{Listener, Socket, is_exhaustion, peer_address};
use crate::limits::{ACCEPT_BACKOFF_MS, LISTEN_BACKLOG};

/// Binds one listening socket for each core on `address`. Fails when another process listens there already (two servers would
/// silently share the connections otherwise). With port 0 all get the same free port.
pub fn bind(
    address: SocketAddr,
    cores: usize,
    ipv6_only: bool,
) -> std::io::Result<(SocketAddr, Vec<OwnedFd>)> {
    let probe = os::listen(address, Sharing::Exclusive, ipv6_only, LISTEN_BACKLOG)?;
    let bound = probe.local_addr()?;
    drop(probe);
    let sockets = (0..cores)
        .map(|_| os::listen(bound, Sharing::Cores, ipv6_only, LISTEN_BACKLOG).map(OwnedFd::from))
        .collect::<std::io::Result<Vec<_>>>()?;
    Ok((bound, sockets))
}

/// Accepts until `stop` resolves. glommio may take one more connection from the queue after that; it is dropped, which closes it.
pub async fn accept_until(stop: impl Future<Output = ()>, socket: OwnedFd, mut take: impl FnMut(Socket)) {
    let listener = Listener::adopt(socket);
    let accepting = async {
        let mut exhausted = false;
        loop {
            match listener.accept().await {
                Ok(socket) => {
                    exhausted = false;
                    take(socket);
                }
                Err(error) if is_exhaustion(&error) => {
                    if !exhausted {
                        tracing::error!(%error, "no new connections for now; raise the limit of open files");
                    }
                    exhausted = true;
                    sleep(Duration::from_millis(ACCEPT_BACKOFF_MS)).await;
                }
                // The client went away between its connection and our accept.
                Err(error) => tracing::debug!(%error, "accept"),
            }
        }
    };
    or(stop, accepting).await;
}

/// Prepares an accepted TCP connection; `None` when its peer is gone already.
pub fn prepare(socket: &Socket) -> Option<SocketAddr> {
    socket.send_at_once();
    peer_address(socket).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::executor::{Priority, spawn, start};
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    async fn echo(mut socket: Socket) {
        let mut buffer = [0; 512];
        while let Ok(count) = socket.read(&mut buffer).await {
            if count == 0 || socket.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }

    /// Sockets hop between two executors in the middle of a conversation, with bytes on their way; none is lost and no descriptor
    /// is left behind.
    #[test]
    fn sockets_move_between_executors_and_leak_nothing() {
        const CLIENTS: usize = 40;
        let (address, mut sockets) = bind("127.0.0.1:0".parse().unwrap(), 1, false).unwrap();
        let (give, take) = async_channel::bounded::<OwnedFd>(4);
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let second = start("second".to_owned(), None, move || async move {
            let (done, all_done) = async_channel::bounded::<()>(CLIENTS);
            while let Ok(fd) = take.recv().await {
                let done = done.clone();
                spawn(Priority::Interactive, async move {
                    echo(Socket::adopt(fd)).await;
                    drop(done);
                });
            }
            drop(done);
            let _ = all_done.recv().await;
        })
        .unwrap();
        let listening = sockets.pop().unwrap();
        let first = start("first".to_owned(), None, move || async move {
            let stop = async {
                let _ = stopped.recv().await;
            };
            accept_until(stop, listening, |mut socket| {
                assert!(prepare(&socket).is_some());
                let give = give.clone();
                spawn(Priority::Interactive, async move {
                    let mut word = [0; 5];
                    socket.read_exact(&mut word).await.unwrap();
                    socket.write_all(&word).await.unwrap();
                    give.send(socket.release().unwrap()).await.unwrap();
                });
            })
            .await;
        })
        .unwrap();
        let clients: Vec<TcpStream> = (0..CLIENTS)
            .map(|_| {
                let mut client = TcpStream::connect(address).unwrap();
                client.write_all(b"LOGINSELECTFETCH").unwrap();
                client
            })
            .collect();
        for mut client in clients {
            let mut answer = [0; 16];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"LOGINSELECTFETCH");
            client.write_all(b"after").unwrap();
            client.read_exact(&mut answer[..5]).unwrap();
            assert_eq!(&answer[..5], b"after");
            // The end reaches the client only when every duplicate of the descriptor is closed.
            client.shutdown(std::net::Shutdown::Write).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            assert_eq!(client.read(&mut answer).unwrap(), 0);
        }
        stop.close();
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
    }

    /// Workaround for sockets that nobody takes: an owned descriptor closes itself, the client sees the end.
    #[test]
    fn a_hand_over_that_fails_closes_the_socket() {
        let (address, mut sockets) = bind("127.0.0.1:0".parse().unwrap(), 1, false).unwrap();
        let listening = sockets.pop().unwrap();
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let (give, take) = async_channel::bounded::<OwnedFd>(1);
        drop(take);
        let core = start("core".to_owned(), None, move || async move {
            let stop = async {
                let _ = stopped.recv().await;
            };
            accept_until(stop, listening, |socket| {
                assert!(give.try_send(socket.release().unwrap()).is_err());
            })
            .await;
        })
        .unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let ended = client.read(&mut [0; 1]);
        assert!(matches!(ended, Ok(0)) || ended.is_err());
        stop.close();
        core.join().unwrap().unwrap();
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let (address, _held) = bind("127.0.0.1:0".parse().unwrap(), 2, false).unwrap();
        assert_eq!(bind(address, 2, false).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    }

    #[test]
    fn exhaustion_is_told_from_other_faults() {
        assert!(is_exhaustion(&std::io::Error::from_raw_os_error(libc::EMFILE)));
        assert!(!is_exhaustion(&std::io::Error::from_raw_os_error(libc::ECONNABORTED)));
    }
}
