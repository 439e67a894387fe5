//! A connection that sends what is small in one piece.
//!
//! hyper hands head and body over as two, and a call with two pieces costs the kernel more than a copy of both costs us. It
//! could put them together itself (`writev(false)`), but would keep the room for the largest answer of a connection for as
//! long as that lives.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::patience::Signs;

/// In bytes. Nearly every answer but lists is smaller.
const SMALL: usize = 2048;

pub(super) struct OnePiece {
    stream: TcpStream,
    signs: Arc<Signs>,
}

impl OnePiece {
    /// What the client takes is a sign.
    pub(super) const fn new(stream: TcpStream, signs: Arc<Signs>) -> Self {
        Self { stream, signs }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }

    fn write(
        self: Pin<&mut Self>,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let written = write(Pin::new(&mut this.stream));
        if written.is_ready() {
            this.signs.took();
        }
        written
    }
}

impl AsyncWrite for OnePiece {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.write(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let mut whole = [0; SMALL];
        let mut length = 0;
        for piece in pieces {
            let Some(room) = whole.get_mut(length..length + piece.len()) else {
                return self.write(|stream| stream.poll_write_vectored(context, pieces));
            };
            room.copy_from_slice(piece);
            length += piece.len();
        }
        self.write(|stream| stream.poll_write(context, &whole[..length]))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

impl AsyncRead for OnePiece {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        self.stream().poll_read(context, room)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_is_written_arrives_in_its_order_whether_it_is_small_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (ours, (mut theirs, _)) = (ours.expect("connected"), theirs.expect("accepted"));
        let mut ours = OnePiece::new(ours, Arc::new(Signs::new()));
        for sizes in [&[3, 4][..], &[SMALL - 1, 1], &[SMALL, 1], &[1, SMALL, 5], &[0, 7]] {
            let texts: Vec<Vec<u8>> = sizes.iter().zip(b'a'..).map(|(&size, letter)| vec![letter; size]).collect();
            let pieces: Vec<IoSlice<'_>> = texts.iter().map(|text| IoSlice::new(text)).collect();
            let write = poll_fn(|context| Pin::new(&mut ours).poll_write_vectored(context, &pieces));
            let expected = texts.concat();
            assert_eq!(write.await.expect("written"), expected.len());
            let mut read = Vec::new();
            while read.len() < expected.len() {
                let mut bytes = [0; 2 * SMALL];
                let mut room = ReadBuf::new(&mut bytes);
                poll_fn(|context| Pin::new(&mut theirs).poll_read(context, &mut room)).await.expect("read");
                read.extend_from_slice(room.filled());
            }
            assert_eq!(read, expected);
        }
    }
}
